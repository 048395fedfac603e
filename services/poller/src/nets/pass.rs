//! A pass: everything of a kind, page by page, resumed where it stopped.
//!
//! - `walk`: follows a list to its end, and saves how far it has come
//! - `page`: one page of contacts or tasks
//! - `window`: one page of appointments, which GHL lists by calendar and time
//! - `missing`: looks at what a complete pass did not show

mod missing;
mod page;
mod walk;
mod window;

pub(crate) use self::missing::look_at_missing;
pub(crate) use self::walk::{PassEnd, end, now, walk};
