//! What is written to GHL: requests that cannot be built incomplete, in the spelling of the API version they are sent to.

mod channel;
mod contact;
mod field;
mod note;
mod spelling;
mod task;

pub use self::channel::{Channel, Closed};
pub use self::contact::{ContactFields, NewContact, Reach};
pub use self::field::Field;
pub use self::note::{NewNote, NoteChange, NoteFields};
pub(crate) use self::spelling::Spelling;
pub use self::task::{NewTask, TaskChange};
