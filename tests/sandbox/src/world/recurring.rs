//! Tasks that come by themselves, by a rule.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, contacts::contact};
use crate::{
    Refusal, Webhook,
    draft::{self, Fields, Writer},
    records::{RecurringTask, Task},
    state::{State, after, now},
    webhook::payload::News,
};

impl World {
    /// The body is that of `POST /locations/{id}/recurring-tasks`. Makes the first task at once, unless `ignoreTaskCreation`. Gives
    /// the rule's id.
    pub fn create_recurring_task(&self, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_recurring_task_as(draft::object(body)?, fate).map(|rule| rule.id.clone())
    }

    /// The rule's time has come: one more task for each of its contacts, or one for nobody when it has none. Gives their ids.
    pub fn run_recurring_task(&self, id: &str, fate: Webhook) -> Result<Vec<String>, Refusal> {
        let mut state = self.state();
        let rule = state.recurring_tasks().get(id).cloned().ok_or_else(|| no_rule(id))?;
        Ok(self.run(&mut state, &rule, fate))
    }

    pub(crate) fn create_recurring_task_as(&self, body: &Fields, fate: Webhook) -> Result<Arc<RecurringTask>, Refusal> {
        let at = now();
        let mut rule = RecurringTask {
            id: String::new(),
            title: String::new(),
            description: String::new(),
            contact_ids: Vec::new(),
            owners: Vec::new(),
            rrule_options: json!({}),
            occurrences: 0,
            created_at: at,
            updated_at: at,
        };
        draft::recurring_task(&mut rule, body, Writer::Creating)?;
        let mut state = self.state();
        for contact_id in &rule.contact_ids {
            contact(&state, contact_id)?;
        }
        rule.id = state.new_id();
        let rule = Arc::new(rule);
        state.put_recurring_task(Arc::clone(&rule));
        if body.get("ignoreTaskCreation") != Some(&Value::Bool(true)) {
            self.run(&mut state, &rule, fate);
        }
        Ok(state.recurring_tasks().get(&rule.id).cloned().unwrap_or(rule))
    }

    pub(crate) fn update_recurring_task_as(&self, id: &str, body: &Fields) -> Result<Arc<RecurringTask>, Refusal> {
        let mut state = self.state();
        let held = state.recurring_tasks().get(id).cloned().ok_or_else(|| no_rule(id))?;
        let mut rule = RecurringTask::clone(&held);
        draft::recurring_task(&mut rule, body, Writer::Updating)?;
        rule.updated_at = after(held.updated_at);
        let rule = Arc::new(rule);
        state.put_recurring_task(Arc::clone(&rule));
        Ok(rule)
    }

    fn run(&self, state: &mut State, rule: &RecurringTask, fate: Webhook) -> Vec<String> {
        let at = now();
        let after_seconds = rule.rrule_options.get("dueAfterSeconds").and_then(Value::as_i64).unwrap_or(0);
        let due_date = at.checked_add(jiff::SignedDuration::from_secs(after_seconds)).ok();
        let living = rule.contact_ids.iter().filter(|id| state.folder(id).is_some()).cloned().map(Some);
        let mut owners: Vec<Option<String>> = living.collect();
        if rule.contact_ids.is_empty() {
            owners.push(None);
        }
        let mut made = Vec::new();
        for contact_id in owners {
            let task = Arc::new(Task {
                id: state.new_id(),
                contact_id,
                title: Some(rule.title.clone()),
                body: Some(rule.description.clone()).filter(|text| !text.is_empty()),
                assigned_to: rule.owners.first().cloned(),
                due_date,
                date_added: at,
                ..Task::default()
            });
            made.push(task.id.clone());
            state.put_task(Arc::clone(&task));
            self.task_changed(state, &task);
            self.tell(state, fate, &News::Task { event: "TaskCreate", task: &task });
        }
        state.put_recurring_task(Arc::new(RecurringTask { occurrences: rule.occurrences + 1, ..rule.clone() }));
        made
    }
}

pub(crate) fn no_rule(id: &str) -> Refusal {
    Refusal::not_found("Recurring task", id)
}
