//! The words of pages for people, in five languages. A word that stands here in one language stands in
//! all. It knows no figure.

use std::fmt;
use std::str::FromStr;

/// A language of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Swedish.
    Sv,
    /// Hebrew, from right to left.
    He,
    /// Russian.
    Ru,
    /// Latvian.
    Lv,
}

impl Language {
    /// Every language, in the order of the table.
    pub const ALL: [Self; 5] = [Self::En, Self::Sv, Self::He, Self::Ru, Self::Lv];

    /// Returns the code by ISO 639-1.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Sv => "sv",
            Self::He => "he",
            Self::Ru => "ru",
            Self::Lv => "lv",
        }
    }

    /// Returns `ltr`, or `rtl` for a language that is written from right to left.
    pub(crate) const fn direction(self) -> &'static str {
        match self {
            Self::He => "rtl",
            Self::En | Self::Sv | Self::Ru | Self::Lv => "ltr",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|language| language.as_str() == text);
        found.ok_or_else(|| "expected en, sv, he, ru or lv".to_owned())
    }
}

/// Returns a word in a language; the key itself where nobody translated it.
pub(crate) fn word(key: &'static str, language: Language) -> &'static str {
    let found = WORDS.iter().find(|(known, _)| *known == key);
    found.map_or(key, |(_, words)| match language {
        Language::En => words[0],
        Language::Sv => words[1],
        Language::He => words[2],
        Language::Ru => words[3],
        Language::Lv => words[4],
    })
}

/// Every word: its key, then English, Swedish, Hebrew, Russian and Latvian.
#[rustfmt::skip]
const WORDS: &[(&str, [&str; 5])] = &[
    ("account_statement", ["Statement of account", "Kontoutdrag", "דף חשבון", "Выписка по счёту", "Konta izraksts"]),
    ("campaign_statement", ["Statement of a campaign", "Kampanjutdrag", "דף חשבון של קמפיין", "Отчёт по кампании", "Kampaņas pārskats"]),
    ("balances", ["Balances", "Saldon", "יתרות", "Остатки", "Atlikumi"]),
    ("payouts", ["Payouts", "Utbetalningar", "תשלומים", "Выплаты", "Izmaksas"]),
    ("forecast", ["Forecast", "Prognos", "תחזית", "Прогноз", "Prognoze"]),
    ("accounts", ["Accounts", "Konton", "חשבונות", "Счета", "Konti"]),
    ("totals", ["Totals", "Summor", "סיכומים", "Итого", "Kopsummas"]),
    ("lines", ["Lines", "Rader", "שורות", "Строки", "Rindas"]),
    ("influencers", ["Influencers", "Influerare", "משפיענים", "Блогеры", "Influenceri"]),
    ("commissions", ["Commissions", "Provisioner", "עמלות", "Комиссии", "Komisijas"]),
    ("name", ["Name", "Namn", "שם", "Имя", "Vārds"]),
    ("campaign", ["Campaign", "Kampanj", "קמפיין", "Кампания", "Kampaņa"]),
    ("merchant", ["Merchant", "Handlare", "סוחר", "Магазин", "Tirgotājs"]),
    ("influencer", ["Influencer", "Influerare", "משפיען", "Блогер", "Influenceris"]),
    ("campaign_id", ["Campaign's id", "Kampanjens id", "מזהה הקמפיין", "Номер кампании", "Kampaņas id"]),
    ("merchant_id", ["Merchant's id", "Handlarens id", "מזהה הסוחר", "Номер магазина", "Tirgotāja id"]),
    ("influencer_id", ["Influencer's id", "Influerarens id", "מזהה המשפיען", "Номер блогера", "Influencera id"]),
    ("period", ["Period", "Period", "תקופה", "Период", "Periods"]),
    ("from", ["From", "Från", "מתאריך", "С", "No"]),
    ("to", ["To", "Till", "עד תאריך", "По", "Līdz"]),
    ("as_of", ["As of", "Per den", "נכון ליום", "По состоянию на", "Uz datumu"]),
    ("timezone", ["Time zone", "Tidszon", "אזור זמן", "Часовой пояс", "Laika josla"]),
    ("currency", ["Currency", "Valuta", "מטבע", "Валюта", "Valūta"]),
    ("carried_in", ["Carried in", "Ingående saldo", "יתרה קודמת", "Перенесено", "Pārnests"]),
    ("new", ["New", "Nytt", "חדש", "Начислено", "Jauns"]),
    ("paid", ["Paid", "Utbetalt", "שולם", "Выплачено", "Izmaksāts"]),
    ("carried_out", ["Carried out", "Utgående saldo", "יתרה להעברה", "К переносу", "Pārnesams"]),
    ("pending", ["Pending", "Väntande", "ממתין", "В ожидании", "Gaida"]),
    ("held", ["Held", "Spärrat", "מוקפא", "Удержано", "Aizturēts"]),
    ("approved", ["Approved", "Godkänt", "מאושר", "Одобрено", "Apstiprināts"]),
    ("in_payout", ["In payout", "Under utbetalning", "בתהליך תשלום", "В выплате", "Izmaksā"]),
    ("payable", ["Payable", "Att betala", "לתשלום", "К выплате", "Izmaksājams"]),
    ("below_minimum", ["Below minimum", "Under minimibelopp", "מתחת למינימום", "Ниже минимума", "Zem minimuma"]),
    ("below_zero", ["Below zero", "Negativt saldo", "יתרה שלילית", "Отрицательный остаток", "Negatīvs atlikums"]),
    ("carried", ["Carried forward", "Förs över", "מועבר הלאה", "Переносится", "Tiek pārnests"]),
    ("day", ["Day", "Dag", "יום", "День", "Diena"]),
    ("kind", ["Kind", "Typ", "סוג", "Вид", "Veids"]),
    ("order", ["Order", "Beställning", "הזמנה", "Заказ", "Pasūtījums"]),
    ("lead", ["Lead", "Lead", "ליד", "Лид", "Pieteikums"]),
    ("clicks", ["Clicks", "Klick", "הקלקות", "Клики", "Klikšķi"]),
    ("bonus", ["Bonus", "Bonus", "בונוס", "Бонус", "Bonuss"]),
    ("fixed_fee", ["Fixed fee", "Fast arvode", "תשלום קבוע", "Фиксированная оплата", "Fiksēta maksa"]),
    ("correction", ["Correction", "Korrigering", "תיקון", "Исправление", "Labojums"]),
    ("payment", ["Payment", "Betalning", "תשלום", "Платёж", "Maksājums"]),
    ("order_number", ["Order", "Beställning", "הזמנה", "Заказ", "Pasūtījums"]),
    ("order_status", ["Status", "Status", "מצב", "Статус", "Statuss"]),
    ("sub_id", ["Post", "Inlägg", "פוסט", "Публикация", "Ieraksts"]),
    ("link", ["Link", "Länk", "קישור", "Ссылка", "Saite"]),
    ("reason", ["Reason", "Orsak", "סיבה", "Причина", "Iemesls"]),
    ("rate", ["Rate", "Sats", "שיעור", "Ставка", "Likme"]),
    ("base", ["Base", "Underlag", "בסיס", "База", "Bāze"]),
    ("base_currency", ["Currency of the base", "Underlagets valuta", "מטבע הבסיס", "Валюта базы", "Bāzes valūta"]),
    ("amount", ["Amount", "Belopp", "סכום", "Сумма", "Summa"]),
    ("due_on", ["Due on", "Förfaller", "לתשלום ביום", "К выплате с", "Izmaksājams no"]),
    ("payable_on", ["Due on", "Förfaller", "לתשלום ביום", "К выплате с", "Izmaksājams no"]),
    ("note", ["Note", "Anteckning", "הערה", "Примечание", "Piezīme"]),
    ("status", ["Status", "Status", "מצב", "Статус", "Statuss"]),
    ("clicks_billable", ["Clicks", "Klick", "הקלקות", "Клики", "Klikšķi"]),
    ("sessions", ["Visits", "Besök", "ביקורים", "Посещения", "Apmeklējumi"]),
    ("orders", ["Orders", "Beställningar", "הזמנות", "Заказы", "Pasūtījumi"]),
    ("orders_cancelled", ["Cancelled orders", "Avbrutna beställningar", "הזמנות שבוטלו", "Отменённые заказы", "Atceltie pasūtījumi"]),
    ("goods", ["Goods", "Varor", "סחורה", "Товары", "Preces"]),
    ("commission_pending", ["Pending", "Väntande", "ממתין", "В ожидании", "Gaida"]),
    ("commission_approved", ["Approved", "Godkänt", "מאושר", "Одобрено", "Apstiprināts"]),
    ("commission_reversed", ["Reversed", "Återfört", "בוטל", "Сторнировано", "Atgriezts"]),
    ("orders_held", ["Held orders", "Spärrade beställningar", "הזמנות מוקפאות", "Удержанные заказы", "Aizturētie pasūtījumi"]),
    ("commission_held", ["Held", "Spärrat", "מוקפא", "Удержано", "Aizturēts"]),
    ("document", ["Document", "Dokument", "מסמך", "Документ", "Dokuments"]),
    ("invoice", ["Invoice", "Faktura", "חשבונית", "Счёт", "Rēķins"]),
    ("self_billing", ["Self-billing invoice", "Självfaktura", "חשבונית עצמית", "Счёт, выставленный покупателем (self-billing)", "Pašrēķins"]),
    ("receipt", ["Receipt without VAT", "Kvitto utan moms", "קבלה ללא מע״מ", "Квитанция без НДС", "Kvīts bez PVN"]),
    ("payslip", ["Payslip", "Lönespecifikation", "תלוש שכר", "Расчётный лист", "Algas lapa"]),
    ("payee", ["Payee", "Betalningsmottagare", "מקבל התשלום", "Получатель", "Saņēmējs"]),
    ("payee_address", ["Address of the payee", "Mottagarens adress", "כתובת המקבל", "Адрес получателя", "Saņēmēja adrese"]),
    ("payer", ["Payer", "Betalare", "המשלם", "Плательщик", "Maksātājs"]),
    ("payer_address", ["Address of the payer", "Betalarens adress", "כתובת המשלם", "Адрес плательщика", "Maksātāja adrese"]),
    ("tax_number", ["Tax number of the payee", "Mottagarens skattenummer", "מספר מס של המקבל", "Налоговый номер получателя", "Saņēmēja nodokļu numurs"]),
    ("vat_id", ["VAT number of the payee", "Mottagarens momsnummer", "מספר מע״מ של המקבל", "Номер НДС получателя", "Saņēmēja PVN numurs"]),
    ("payer_vat_id", ["VAT number of the payer", "Betalarens momsnummer", "מספר מע״מ של המשלם", "Номер НДС плательщика", "Maksātāja PVN numurs"]),
    ("vat", ["VAT", "Moms", "מע״מ", "НДС", "PVN"]),
    ("vat_rate", ["VAT rate in percent", "Momssats i procent", "שיעור מע״מ באחוזים", "Ставка НДС в процентах", "PVN likme procentos"]),
    ("domestic", ["VAT of the payee's country is added", "Moms i mottagarens land tillkommer", "מתווסף מע״מ של מדינת המקבל", "Добавляется НДС страны получателя", "Tiek pieskaitīts saņēmēja valsts PVN"]),
    ("reverse_charge", ["Reverse charge: the payer owes the VAT (articles 44 and 196 of Directive 2006/112/EC)", "Omvänd betalningsskyldighet: betalaren redovisar momsen (artiklarna 44 och 196 i direktiv 2006/112/EG)", "חיוב הפוך: המשלם חייב במע״מ (סעיפים 44 ו־196 של דירקטיבה 2006/112/EC)", "Обратное начисление: НДС уплачивает плательщик (статьи 44 и 196 Директивы 2006/112/ЕС)", "Apgrieztā nodokļa maksāšana: PVN maksā maksātājs (Direktīvas 2006/112/EK 44. un 196. pants)"]),
    ("small_business", ["Small business: no VAT is added (title XII of Directive 2006/112/EC)", "Småföretag: ingen moms tillkommer (avdelning XII i direktiv 2006/112/EG)", "עסק קטן: לא מתווסף מע״מ (כותרת XII של דירקטיבה 2006/112/EC)", "Малое предприятие: НДС не добавляется (раздел XII Директивы 2006/112/ЕС)", "Mazais uzņēmums: PVN netiek pieskaitīts (Direktīvas 2006/112/EK XII sadaļa)"]),
    ("exempt", ["No VAT", "Ingen moms", "ללא מע״מ", "Без НДС", "Bez PVN"]),
    ("metric", ["Metric", "Mått", "מדד", "Показатель", "Rādītājs"]),
    ("target", ["Target", "Mål", "יעד", "Цель", "Mērķis"]),
    ("actual", ["Actual", "Utfall", "בפועל", "Факт", "Faktiski"]),
    ("days_past", ["Days past", "Dagar som gått", "ימים שעברו", "Прошло дней", "Pagājušās dienas"]),
    ("days_left", ["Days left", "Dagar kvar", "ימים שנותרו", "Осталось дней", "Atlikušās dienas"]),
    ("projected", ["Projected", "Beräknat", "צפי", "Прогноз", "Prognozēts"]),
    ("low", ["Low", "Lägst", "נמוך", "Минимум", "Zemākais"]),
    ("high", ["High", "Högst", "גבוה", "Максимум", "Augstākais"]),
    ("missing", ["Missing", "Saknas", "חסר", "Не хватает", "Trūkst"]),
    ("shortfall", ["Projected shortfall", "Beräknat underskott", "פער צפוי", "Ожидаемая нехватка", "Prognozētais iztrūkums"]),
    ("method", ["Method", "Metod", "שיטה", "Метод", "Metode"]),
    ("accrued", ["accrued", "intjänat", "נצבר", "начислено", "uzkrāts"]),
    ("refunded", ["refunded", "återbetalt", "הוחזר", "возврат", "atmaksāts"]),
    ("voided", ["voided", "makulerat", "בוטל", "отменено", "anulēts"]),
    ("recredited", ["recredited", "omkrediterat", "זוכה לאחר", "перезачтено", "pārskaitīts citam"]),
    ("suspended", ["suspended", "avstängt", "הושעה", "приостановлено", "apturēts"]),
    ("history", ["history", "historik", "היסטוריה", "история", "vēsture"]),
    ("adjusted", ["adjusted", "justerat", "הותאם", "скорректировано", "koriģēts"]),
    ("converted", ["converted", "omräknat", "הומר", "пересчитано", "konvertēts"]),
    ("volume", ["volume", "volym", "נפח", "объём", "apjoms"]),
    ("capped", ["capped", "takbegränsat", "הוגבל", "ограничено", "ierobežots"]),
    ("agency_share", ["Agency's share", "Byråns andel", "חלק הסוכנות", "Доля агентства", "Aģentūras daļa"]),
    ("total", ["In total", "Totalt", "סך הכול", "Всего", "Kopā"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_once_and_is_never_empty() {
        for (index, (key, words)) in WORDS.iter().enumerate() {
            assert!(WORDS[..index].iter().all(|(earlier, _)| earlier != key), "{key} stands twice");
            assert!(
                words.iter().all(|word| !word.is_empty() && !word.contains(['<', '&'])),
                "{key}"
            );
        }
        assert_eq!(word("paid", Language::Sv), "Utbetalt");
        assert_eq!(word("unheard_of", Language::Ru), "unheard_of");
    }
}
