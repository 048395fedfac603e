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
    let unknown = || Problem::Usage(format!("there is no operation {name}; `mirrorctl ghl` lists those there are"));
    let operation = operations.iter().find(|operation| operation.name == name).ok_or_else(unknown)?;
    if operation.writes && !arguments.yes {
        return Err(Problem::Usage(format!("{name} changes something at GHL; say --yes if that is meant")));
    }
    let given = given(operation, arguments.ids, &arguments.args)?;
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

/// Ids fill the path in its order; `k=v` names the others.
fn given(operation: &api::Operation, ids: Vec<String>, pairs: &[(String, String)]) -> Result<Map<String, Value>, Problem> {
    let mut given = Map::new();
    let mut places = operation.arguments.iter().filter(|argument| argument.in_path);
    for id in ids {
        let place = places
            .next()
            .ok_or_else(|| Problem::Usage(format!("{} takes no id more; give arguments as --arg NAME=VALUE", operation.name)))?;
        given.insert(place.name.clone(), Value::String(id));
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
            let of_place = operation.arguments.iter().filter(|argument| argument.in_path == in_path);
            of_place
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
        let read = given(&operation, ids(&["c-1", "t-1"]), &title).unwrap_or_default();
        assert_eq!(Value::Object(read), json!({ "contactId": "c-1", "taskId": "t-1", "title": "a=b" }));
        assert!(given(&operation, ids(&["c", "t", "x"]), &[]).is_err());
        assert!(given(&operation, ids(&["c"]), &[("contactId".to_owned(), "d".to_owned())]).is_err());
    }
}
