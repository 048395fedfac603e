//! `ghl`: any operation of GHL's API, called through the poller.

use proto::source::v1 as api;
use serde_json::{Map, Value};

use crate::cli::{Connection, GhlArgs};
use crate::output::Output;
use crate::output::table::Table;
use crate::problem::Problem;

pub(crate) async fn ghl(connection: &Connection, arguments: GhlArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut source = connection.source().await?;
    let operations = source.list_operations(api::ListOperationsRequest {}).await?.into_inner().operations;
    let Some(name) = arguments.operation else { return list(&operations, output) };
    let unknown = || Problem::Usage(format!("there is no operation {name}; `mirrorctl ghl` lists them all"));
    let operation = operations.iter().find(|operation| operation.name == name).ok_or_else(unknown)?;
    if operation.writes && !arguments.yes {
        return Err(Problem::Usage(format!("{name} changes data in GHL; give --yes if that is intended")));
    }
    let given = arguments_of(operation, arguments.ids, &arguments.args)?;
    let request = api::CallRequest {
        location_id: connection.location_id(),
        operation: name,
        arguments_json: Value::Object(given).to_string(),
        allow_write: arguments.yes,
    };
    let answer = source.call(request).await?.into_inner();
    let value: Value = serde_json::from_str(&answer.answer_json).unwrap_or(Value::String(answer.answer_json));
    if output.json {
        return output.line(&value);
    }
    Ok(writeln!(output.out, "{value:#}")?)
}

/// Ids fill the path in order; other arguments are given by name.
fn arguments_of(operation: &api::Operation, ids: Vec<String>, pairs: &[(String, String)]) -> Result<Map<String, Value>, Problem> {
    let mut given = Map::new();
    let mut in_path = operation.arguments.iter().filter(|argument| argument.in_path);
    for id in ids {
        let argument = in_path
            .next()
            .ok_or_else(|| Problem::Usage(format!("{} takes no more ids; give other arguments as --arg NAME=VALUE", operation.name)))?;
        given.insert(argument.name.clone(), Value::String(id));
    }
    for (name, value) in pairs {
        if given.insert(name.clone(), Value::String(value.clone())).is_some() {
            return Err(Problem::Usage(format!("{name} is given twice")));
        }
    }
    Ok(given)
}

fn list(operations: &[api::Operation], output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json {
        return operations.iter().try_for_each(|operation| output.answer(operation));
    }
    let mut table = Table::new(&["OPERATION", "WRITES", "IDS", "ARGUMENTS", "ABOUT"]);
    for operation in operations {
        let named = |in_path: bool| {
            let matching = operation.arguments.iter().filter(|argument| argument.in_path == in_path);
            matching
                .map(|argument| if argument.needed { argument.name.clone() } else { format!("[{}]", argument.name) })
                .collect::<Vec<_>>()
                .join(" ")
        };
        let writes = if operation.writes { "yes" } else { "-" };
        table.row([
            operation.name.clone(),
            writes.to_owned(),
            crate::output::format::or_dash(&named(true)),
            crate::output::format::or_dash(&named(false)),
            operation.about.clone(),
        ]);
    }
    Ok(table.write(output.out)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_fill_the_path_and_pairs_name_the_rest() {
        let argument = |name: &str, in_path| api::Argument { name: name.to_owned(), in_path, ..api::Argument::default() };
        let operation = api::Operation {
            name: "update-task".to_owned(),
            arguments: vec![argument("contactId", true), argument("taskId", true), argument("title", false)],
            ..api::Operation::default()
        };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let title = [("title".to_owned(), "a=b".to_owned())];
        let read = arguments_of(&operation, ids(&["c-1", "t-1"]), &title).unwrap_or_default();
        assert_eq!(Value::Object(read), json!({ "contactId": "c-1", "taskId": "t-1", "title": "a=b" }));
        assert!(arguments_of(&operation, ids(&["c", "t", "x"]), &[]).is_err());
        assert!(arguments_of(&operation, ids(&["c"]), &[("contactId".to_owned(), "d".to_owned())]).is_err());
    }
}
