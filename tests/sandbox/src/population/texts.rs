//! What people write: plain, HTML and half-broken HTML.

use crate::dice::Dice;

pub(crate) fn task_title(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "Send the proposal",
        "Call back about pricing",
        "Prepare the kick-off agenda",
        "Check the invoice",
        "Book the venue",
        "Collect feedback after the session",
        "Angebot nachfassen",
        "إرسال العقد",
        "見積もりを送る",
        "Say thanks 🎉",
        "Review \"Q3\" goals & next steps",
    ])
}

pub(crate) fn task_body(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "Use the long template.",
        "<p>Ask for:</p><ul><li>team size</li><li>start date</li><li>budget &gt; 5k?</li></ul>",
        "<p>See <a href=\"https://docs.example/kickoff?a=1&amp;b=2\">the kick-off checklist</a>.</p>",
        "Line one\nLine two\n\nLine four",
        "<div>Unclosed <b>bold<div>and nested",
        "<p>Grüße &amp; danke – 5 &lt; 7 &amp;&amp; ok</p>",
    ])
}

pub(crate) fn note_title(dice: &mut Dice) -> &'static str {
    dice.pick(&["Call summary", "Background", "Follow-up", "Einschätzung", "ملاحظة"])
}

pub(crate) fn note_body(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "<p>Spoke on the phone. Wants to start <strong>after the holidays</strong>.</p>",
        "<p>Met at the fair:</p><ol><li>interested in coaching</li><li>has a team of <em>nine</em></li></ol><p>Send the brochure.</p>",
        "Prefers e-mail in the morning.",
        "<table><tr><th>Month</th><th>Sessions</th></tr><tr><td>May</td><td>4</td></tr></table>",
        "<p>قال إنه يفضل الاجتماعات صباحًا.</p>",
        "<p>Loves ☕ and long walks. <br>Dislikes surprises.</p>",
        "Quote: \"We'll decide by Friday\" – then C:\\temp\\file, <not a tag>",
        "<blockquote>Nächster Schritt: Vertrag</blockquote><hr><p>&nbsp;&nbsp;Danach Start.</p>",
    ])
}

pub(crate) fn visit_title(dice: &mut Dice) -> &'static str {
    dice.pick(&["Discovery call", "Weekly session", "Workshop day", "Quarterly review", "Erstgespräch", "جلسة تعريفية"])
}

pub(super) fn goal(dice: &mut Dice) -> &'static str {
    dice.pick(&["Double the team\nwithout doubling the stress", "More time for clients", "Mehr Ruhe im Alltag, bessere Planung"])
}

pub(super) fn found_us(dice: &mut Dice) -> &'static str {
    dice.pick(&["A friend", "Podcast", "Search", "Trade fair, hall 3", "Newsletter"])
}
