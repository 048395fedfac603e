//! A pass: all records of a kind, page by page, resumed where it stopped.
//!
//! - `walk`: follows a list to its end, and saves its progress
//! - `page`: one page of contacts or tasks
//! - `window`: one page of appointments, which GHL lists by calendar and time
//! - `missing`: looks at what a complete pass did not show

mod missing;
mod page;
mod walk;
mod window;

pub(crate) use self::missing::look_at_missing;
pub(crate) use self::walk::{PassEnd, end, now, pause_after, stay_open, walk};
