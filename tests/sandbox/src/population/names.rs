//! People, companies and places, in several scripts.

use crate::dice::Dice;

/// First and last name from one script, so that they belong together; some people have one name only.
pub(crate) fn person(dice: &mut Dice) -> (&'static str, &'static str) {
    let (first, last): (&[&str], &[&str]) = match dice.below(10) {
        0 => (&["José", "Lucía", "Iñaki", "Núria"], &["García-Márquez", "Peña", "Ibáñez", "Ortega"]),
        1 => (&["Søren", "Åsa", "Jürgen", "Zoë"], &["Müller", "Bjørnsson", "Nyström", "Weiß"]),
        2 => (&["محمد", "ليلى", "يوسف", "نور"], &["الحسن", "خوري", "العلي", "منصور"]),
        3 => (&["דוד", "נועה", "יעל"], &["לוי", "כהן", "פרידמן"]),
        4 => (&["太郎", "さくら", "美咲"], &["山田", "佐藤", "小林"]),
        5 => (&["伟", "秀英", "小龙"], &["王", "李", "陈"]),
        6 => (&["Анна", "Дмитрий", "Ольга"], &["Иванова", "Смирнов", "Коваленко"]),
        7 => (&["Sunny ☀️", "Zo 🌈", "Max 🚀"], &["O'Neill", "de la Cruz", "Van Der Berg"]),
        8 => (&["Cher", "Prince", "ஜெயலலிதா"], &[""]),
        _ => (
            &["Ada", "Grace", "Samuel", "Olivia", "Noah", "Emma", "Liam", "Ruth", "Walter", "Ines"],
            &["Lovelace", "Hopper", "Beckett", "Marsh", "Patel", "Nguyen", "Kowalski", "Smith", "Adeyemi", "Brown"],
        ),
    };
    (dice.pick(first), dice.pick(last))
}

/// Unique by the id of its owner.
pub(crate) fn email(dice: &mut Dice, id: &str) -> String {
    let name = dice.pick(&["hello", "me", "office", "mail", "info+ghl"]);
    format!("{name}.{}@{}", id.to_lowercase(), dice.pick(&["client.example", "mail.example", "firma.example"]))
}

pub(crate) fn company(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "Harbour & Sons",
        "Bäckerei Sonnenschein GmbH",
        "شركة النور للتجارة",
        "株式会社みどり",
        "Blue \"Sky\" Labs",
        "Café del Puerto S.L.",
        "Fjord Outdoor AS",
        "Smith, Smith & Smith LLP",
        "Acme <Roofing> Inc.",
        "Студия Север",
    ])
}

#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) street: &'static str,
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) country: &'static str,
    pub(super) postal_code: &'static str,
    pub(super) zone: &'static str,
}

const fn at(
    street: &'static str,
    city: &'static str,
    state: &'static str,
    country: &'static str,
    postal_code: &'static str,
    zone: &'static str,
) -> Place {
    Place { street, city, state, country, postal_code, zone }
}

pub(super) fn place(dice: &mut Dice) -> Place {
    dice.pick(&[
        at("3535 1st St N", "Portland", "ME", "US", "04101", "America/New_York"),
        at("77 Lake Shore Dr #1204", "Chicago", "IL", "US", "60611", "America/Chicago"),
        at("Friedrichstraße 12", "Berlin", "", "DE", "10117", "Europe/Berlin"),
        at("Calle Mayor 8, 2º B", "Madrid", "", "ES", "28013", "Europe/Madrid"),
        at("شارع التحرير 5", "القاهرة", "", "EG", "11511", "Africa/Cairo"),
        at("渋谷区神南1-2-3", "東京", "", "JP", "150-0041", "Asia/Tokyo"),
        at("MIG 14, MG Road", "Bengaluru", "KA", "IN", "560001", "Asia/Kolkata"),
        at("1 Queen St", "Auckland", "", "NZ", "1010", "Pacific/Auckland"),
    ])
}

pub(crate) fn tags(dice: &mut Dice) -> Vec<String> {
    let pool =
        ["client", "prospect", "vip", "newsletter", "workshop 2026", "übergabe", "follow-up", "référence", "☕ coffee", "do not call"];
    pool.iter().filter(|_| dice.chance(0.2)).map(|tag| (*tag).to_owned()).collect()
}
