//! What the visitor allowed, from everybody who may say so. Decides nothing about what follows from
//! it.
//!
//! The page's own call has the last word. Of the others (the tag's attribute, where Global Privacy
//! Control is a no; Google's Consent Mode; IAB TCF; Shopify) one denial is enough, one that has not
//! been answered makes us wait, and where nobody asks, nobody waits.

use super::entry::{self, Path, name};
use super::text::{Room, Text};

/// A word, ordered by its weight: the heaviest one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Nobody asks the visitor.
    Nobody,
    /// The visitor allowed it.
    Granted,
    /// The visitor was asked and has not answered.
    Unknown,
    /// The visitor did not allow it.
    Denied,
}

impl Word {
    /// The word in a text.
    pub fn read(text: Text, room: &Room) -> Option<Self> {
        [Self::Granted, Self::Unknown, Self::Denied]
            .into_iter()
            .find(|word| room.is(text, word.as_str()))
    }

    /// Whether the pixel may store and send.
    pub fn is_active(self) -> bool {
        self <= Self::Granted
    }

    /// As events spell it. Where nobody asks, consent is not known.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Nobody | Self::Unknown => "unknown",
        }
    }
}

/// What each of them said last.
pub struct Consent {
    own: Word,
    tag: Word,
    google: Word,
    /// What Consent Mode says of `ad_storage` and of `ad_user_data`.
    words: [Word; 2],
    is_answered: bool,
    tcf: Word,
    shop: Word,
}

impl Consent {
    /// Nobody has said anything.
    pub const NEW: Self = Self {
        own: Word::Nobody,
        tag: Word::Nobody,
        google: Word::Nobody,
        words: [Word::Nobody; 2],
        is_answered: false,
        tcf: Word::Nobody,
        shop: Word::Nobody,
    };

    /// What all of them say now.
    pub fn word(&self) -> Word {
        if self.is_own() {
            self.own
        } else {
            self.tag.max(self.google).max(self.tcf).max(self.shop)
        }
    }

    /// Whether the page has spoken: then nobody else is listened to.
    pub fn is_own(&self) -> bool {
        self.own != Word::Nobody
    }

    /// What the page's own call says.
    pub fn say_own(&mut self, word: Word) {
        self.own = word;
    }

    /// What the tag's attribute says, or Global Privacy Control in its place.
    pub fn say_tag(&mut self, word: Word) {
        self.tag = word;
    }

    /// Reads an entry of the data layer, in case it is one of Consent Mode's.
    pub fn say_google(&mut self, entry: Text, room: &Room) {
        let is_update = room.is(entry::of_top(entry, name::ONE, room), "update");
        // Defaults stand until the banner is answered, and count for nothing afterwards. One for
        // some regions counts everywhere, since we do not know the region: so no default takes a
        // denial back.
        if !room.is(entry::of_top(entry, name::CALL, room), "consent")
            || (self.is_answered && !is_update)
        {
            return;
        }
        self.google = Word::Nobody;
        for (place, name) in self.words.iter_mut().zip(name::AD_STORAGE..) {
            let word = entry::value(entry, Path("@0", 0), name, room);
            if word.is_some() && (is_update || *place != Word::Denied) {
                *place = if room.is(word, "denied") { Word::Denied } else { Word::Granted };
                self.is_answered = is_update;
            }
            self.google = self.google.max(*place);
        }
        if self.google == Word::Denied && !self.is_answered {
            self.google = Word::Unknown;
        }
    }

    /// Reads an answer of the TCF. Purpose 1 is storage on the visitor's device. Without purposes
    /// there is no answer yet.
    pub fn say_tcf(&mut self, answer: Text, room: &Room) {
        let allowed = entry::value(answer, Path("F0G0", 0), name::ONE, room);
        self.tcf = if room.is(entry::of_top(answer, name::GDPR_APPLIES, room), "false") {
            Word::Granted
        } else if room.is(entry::of_top(answer, name::EVENT_STATUS, room), "cmpuishown")
            || !entry::value(answer, Path("F", 0), b'0', room).is_some()
        {
            Word::Unknown
        } else if room.is(allowed, "true") || room.is(allowed, "1") {
            Word::Granted
        } else {
            Word::Denied
        };
    }

    /// Reads what Shopify's privacy says: nothing where it is no shop of theirs, else whether
    /// marketing is allowed and whether the banner is shown, each as `1` or `0`; `-` before it says
    /// anything.
    pub fn say_shop(&mut self, facts: Text, room: &Room) {
        self.shop = if room.is_empty(facts) {
            Word::Nobody
        } else if room.byte(facts.0) == b'1' {
            Word::Granted
        } else if room.is(facts, "00") {
            Word::Denied
        } else {
            Word::Unknown
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets somebody read a text, as the adapter writes it.
    fn say(consent: &mut Consent, read: fn(&mut Consent, Text, &Room), words: &str) {
        let mut room = Box::new(Room::NEW);
        let text = room.begin();
        room.add(words);
        room.close();
        read(consent, text, &room);
    }

    #[test]
    fn one_denial_is_enough_and_the_pages_own_word_is_the_last() {
        let mut consent = Consent::NEW;
        assert_eq!(consent.word(), Word::Nobody);
        consent.say_tag(Word::Granted);
        say(&mut consent, Consent::say_shop, "-");
        assert_eq!(consent.word(), Word::Unknown);
        say(&mut consent, Consent::say_shop, "10");
        assert_eq!(consent.word(), Word::Granted);
        say(&mut consent, Consent::say_tcf, "F0=\u{1f}");
        assert_eq!(consent.word(), Word::Denied);
        consent.say_own(Word::Granted);
        assert_eq!(consent.word(), Word::Granted);
    }

    #[test]
    fn an_answer_of_the_tcf_without_purposes_is_none() {
        let mut consent = Consent::NEW;
        for (answer, word) in [
            ("", Word::Unknown),
            ("c=useractioncomplete\u{1f}", Word::Unknown),
            ("c=cmpuishown\u{1f}F0=\u{1f}F0G0=\u{1f}F0G0I=true\u{1f}", Word::Unknown),
            ("c=tcloaded\u{1f}F0=\u{1f}F0G0=\u{1f}F0G0I=true\u{1f}", Word::Granted),
            ("c=tcloaded\u{1f}F0=\u{1f}F0G0=\u{1f}F0G0I=false\u{1f}", Word::Denied),
            ("c=tcloaded\u{1f}F0=\u{1f}", Word::Denied),
            ("b=false\u{1f}", Word::Granted),
        ] {
            say(&mut consent, Consent::say_tcf, answer);
            assert_eq!(consent.word(), word, "{answer:?}");
        }
    }

    #[test]
    fn defaults_of_consent_mode_wait_and_updates_answer() {
        let mut consent = Consent::NEW;
        for (entry, word) in [
            ("H=js\u{1f}", Word::Nobody),
            (
                "H=consent\u{1f}I=default\u{1f}@0=\u{1f}@0`=denied\u{1f}@0a=denied\u{1f}",
                Word::Unknown,
            ),
            ("H=consent\u{1f}I=default\u{1f}@0`=granted\u{1f}@0a=granted\u{1f}", Word::Unknown),
            ("H=consent\u{1f}I=update\u{1f}@0`=granted\u{1f}@0a=granted\u{1f}", Word::Granted),
            ("H=consent\u{1f}I=default\u{1f}@0`=denied\u{1f}", Word::Granted),
            ("H=consent\u{1f}I=update\u{1f}@0a=denied\u{1f}", Word::Denied),
            ("H=consent\u{1f}I=update\u{1f}@0`=granted\u{1f}", Word::Denied),
        ] {
            say(&mut consent, Consent::say_google, entry);
            assert_eq!(consent.word(), word, "{entry:?}");
        }
    }

    #[test]
    fn shopifys_banner_makes_us_wait() {
        let mut consent = Consent::NEW;
        for (facts, word) in [
            ("", Word::Nobody),
            ("-", Word::Unknown),
            ("01", Word::Unknown),
            ("00", Word::Denied),
            ("10", Word::Granted),
            ("11", Word::Granted),
        ] {
            say(&mut consent, Consent::say_shop, facts);
            assert_eq!(consent.word(), word, "{facts:?}");
        }
    }
}
