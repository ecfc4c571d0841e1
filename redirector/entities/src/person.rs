//! People. They set their passwords themselves, by `sign_in`.

use rand::RngExt;
use serde_json::Value;
use shared::catalog::Person;
use shared::id::PersonId;

use crate::builder::EntityBuilder;
use crate::fields::{Fields, flag, text};
use crate::holder::holder;
use crate::influencer::email;

/// The languages of pages.
const LANGUAGES: [&str; 5] = ["en", "sv", "he", "ru", "lv"];

impl EntityBuilder<'_> {
    pub(crate) fn person(&mut self, fields: &mut Fields) -> Option<Person> {
        let name = fields.required("name", text(200));
        let email = fields.optional("email", email);
        let role = fields.required("role", text(20));
        let of = fields.optional("for", text(40)).map(Value::from);
        let language = fields.optional("language", language);
        let role = holder(self.catalog, fields, role.as_deref(), of);
        let id = PersonId::from_bits(self.random.random());
        self.check_email(fields, email.as_deref(), id);
        Some(Person {
            id,
            name: name?,
            email,
            role: role?,
            language,
            password: None,
            signed_in_at: None,
            sign_ins_from: self.now,
            archived: false,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    pub(crate) fn changed_person(&self, fields: &mut Fields, held: &Person) -> Option<Person> {
        let name = fields.optional("name", text(200)).unwrap_or_else(|| held.name.clone());
        let email = fields.change("email", email, held.email.clone());
        let language = fields.change("language", language, held.language.clone());
        let archived = fields.optional("archived", flag).unwrap_or(held.archived);
        if !archived {
            self.check_email(fields, email.as_deref(), held.id);
        }
        Some(Person { name, email, language, archived, updated_at: self.now, ..held.clone() })
    }

    /// Checks that nobody else signs in with an address.
    fn check_email(&self, fields: &mut Fields, email: Option<&str>, own: PersonId) {
        let Some(email) = email else { return };
        let has_it = |person: &Person| {
            let theirs = person.email.as_deref().unwrap_or_default();
            person.id != own && !person.archived && theirs.eq_ignore_ascii_case(email)
        };
        if self.catalog.people.values().any(|person| has_it(person)) {
            fields.taken("email", format!("`{email}` is another person's"));
        }
    }
}

/// Reads a language of pages.
pub fn language(value: &Value) -> Result<String, String> {
    let known = LANGUAGES.into_iter().find(|known| value.as_str() == Some(known));
    let expected = || format!("expected one of {}", LANGUAGES.join(", "));
    known.map(str::to_owned).ok_or_else(expected)
}
