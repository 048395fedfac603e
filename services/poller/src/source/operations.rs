//! Lists the operations of GHL that can be called.

use proto::source::v1 as api;

pub(super) fn operation(operation: &ghl::Operation) -> api::Operation {
    let kind = |kind| match kind {
        ghl::Kind::Text => api::ArgumentKind::Text,
        ghl::Kind::Number => api::ArgumentKind::Number,
        ghl::Kind::Flag => api::ArgumentKind::Flag,
        ghl::Kind::Texts => api::ArgumentKind::Texts,
        ghl::Kind::Json => api::ArgumentKind::Json,
        ghl::Kind::Location => api::ArgumentKind::Unspecified,
    };
    let argument = |argument: &ghl::Argument| api::Argument {
        name: argument.name.to_owned(),
        kind: kind(argument.kind).into(),
        needed: argument.needed,
        in_path: argument.part == ghl::RequestPart::Path,
    };
    api::Operation {
        name: operation.name.to_owned(),
        about: operation.about.to_owned(),
        writes: operation.writes,
        arguments: operation.wanted().map(argument).collect(),
    }
}
