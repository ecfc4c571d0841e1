//! Recognises user agents: a person's browser, an in-app browser, a link-preview fetcher or a
//! robot.
//!
//! In-app browsers are recognised first and are never taken for robots: influencers' followers use
//! them, and their user agents contain `Google`, `cloud` and words like `bot`. Robots are
//! recognised by the crawler-user-agents list in `data/`. Its plain patterns make one Aho-Corasick
//! automaton, its few regular expressions make one `RegexSet`. A judgement takes microseconds, so
//! the edge keeps judgements by user agent. This module never decides what a click earns: `class`
//! does.

use aho_corasick::AhoCorasick;
use regex::RegexSet;
use serde::{Deserialize, Serialize};

/// The list of robots: lines of `kind<TAB>pattern`.
const LIST: &str = include_str!("../data/crawler-user-agents.tsv");

/// The kind of visitor, by the user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visitor {
    /// A person's browser.
    Person,
    /// A fetcher of link previews, by a messenger or a social network.
    Preview,
    /// A crawler, a monitor, a library, or an empty user agent.
    Bot,
    /// `afterclick doctor`.
    SelfTest,
}

/// The kind of device, by the user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop computer or a laptop.
    Desktop,
    /// Not a browser.
    Unknown,
}

/// The app whose built-in browser sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InApp {
    /// No app: a browser by itself.
    None,
    /// Instagram.
    Instagram,
    /// Facebook or Messenger.
    Facebook,
    /// TikTok.
    Tiktok,
    /// Snapchat.
    Snapchat,
    /// Pinterest.
    Pinterest,
    /// LinkedIn.
    Linkedin,
    /// The Google app.
    Google,
    /// Line.
    Line,
    /// Another app's Android web view.
    Webview,
}

/// The marks of in-app browsers. The first one that is found decides.
const IN_APP: [(&str, InApp); 16] = [
    ("Instagram", InApp::Instagram),
    ("FBAN/", InApp::Facebook),
    ("FBAV/", InApp::Facebook),
    ("FB_IAB", InApp::Facebook),
    ("[FBAN", InApp::Facebook),
    ("musical_ly", InApp::Tiktok),
    ("trill_", InApp::Tiktok),
    ("BytedanceWebview", InApp::Tiktok),
    ("TikTok", InApp::Tiktok),
    ("Snapchat", InApp::Snapchat),
    ("[Pinterest", InApp::Pinterest),
    ("Pinterest for", InApp::Pinterest),
    ("LinkedInApp", InApp::Linkedin),
    ("GSA/", InApp::Google),
    (" Line/", InApp::Line),
    ("; wv)", InApp::Webview),
];

impl Device {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Unknown => "unknown",
        }
    }

    fn of(agent: &str) -> Self {
        if !agent.starts_with("Mozilla/") {
            return Self::Unknown;
        }
        let android = agent.contains("Android");
        if agent.contains("iPad") || (android && !agent.contains("Mobile")) {
            Self::Tablet
        } else if android || agent.contains("iPhone") || agent.contains("Mobile") {
            Self::Mobile
        } else {
            Self::Desktop
        }
    }
}

impl InApp {
    /// Returns the word that exports use; empty for a browser by itself.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Instagram => "instagram",
            Self::Facebook => "facebook",
            Self::Tiktok => "tiktok",
            Self::Snapchat => "snapchat",
            Self::Pinterest => "pinterest",
            Self::Linkedin => "linkedin",
            Self::Google => "google",
            Self::Line => "line",
            Self::Webview => "webview",
        }
    }

    fn of(agent: &str) -> Self {
        IN_APP.iter().find(|(mark, _)| agent.contains(mark)).map_or(Self::None, |&(_, app)| app)
    }

    /// Returns whether the app is known, so that the robot list must not judge its browser.
    const fn is_named(self) -> bool {
        !matches!(self, Self::None | Self::Webview)
    }
}

/// The judgement on a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// The kind of visitor.
    pub visitor: Visitor,
    /// The kind of device.
    pub device: Device,
    /// The app whose browser it is.
    pub in_app: InApp,
}

/// The compiled list. It is built once at the start, which takes some tens of milliseconds.
pub struct Agents {
    literals: AhoCorasick,
    literal_kinds: Vec<Visitor>,
    expressions: RegexSet,
    expression_kinds: Vec<Visitor>,
}

/// The reason why the list in the repository does not compile. It is our own mistake, which the
/// tests find.
#[derive(Debug, thiserror::Error)]
#[error("user-agent list: {0}")]
pub struct AgentListError(String);

impl Agents {
    /// Compiles the list.
    ///
    /// # Errors
    /// When a pattern of the list is invalid.
    pub fn new() -> Result<Self, AgentListError> {
        let (mut literals, mut literal_kinds) = (Vec::new(), Vec::new());
        let (mut expressions, mut expression_kinds) = (Vec::new(), Vec::new());
        for line in LIST.lines().filter(|line| !line.starts_with('#')) {
            let (kind, pattern) =
                line.split_once('\t').ok_or_else(|| AgentListError(line.to_owned()))?;
            let kind = if kind == "preview" { Visitor::Preview } else { Visitor::Bot };
            if let Some(literal) = literal(pattern) {
                literals.push(literal);
                literal_kinds.push(kind);
            } else {
                // The list is written for JavaScript, where `\/` is a slash; here it is not an
                // escape.
                expressions.push(pattern.replace("\\/", "/"));
                expression_kinds.push(kind);
            }
        }
        Ok(Self {
            literals: AhoCorasick::new(&literals).map_err(|e| AgentListError(e.to_string()))?,
            literal_kinds,
            expressions: RegexSet::new(&expressions).map_err(|e| AgentListError(e.to_string()))?,
            expression_kinds,
        })
    }

    /// Judges a user agent. An empty one is a robot.
    pub fn judge(&self, agent: &str) -> Agent {
        let in_app = InApp::of(agent);
        Agent { visitor: self.visitor(agent, in_app), device: Device::of(agent), in_app }
    }

    fn visitor(&self, agent: &str, in_app: InApp) -> Visitor {
        if agent.starts_with("afterclick-doctor/") {
            return Visitor::SelfTest;
        }
        if agent.trim().is_empty() {
            return Visitor::Bot;
        }
        // Link-preview fetchers of the same networks name their app too, but not in the way of a
        // browser.
        if in_app.is_named()
            && agent.starts_with("Mozilla/")
            && !agent.contains("Bot")
            && !agent.contains("Preview")
        {
            return Visitor::Person;
        }
        let literals = self
            .literals
            .find_overlapping_iter(agent)
            .map(|found| self.literal_kinds[found.pattern().as_usize()]);
        let expressions =
            self.expressions.matches(agent).into_iter().map(|index| self.expression_kinds[index]);
        let kinds: Vec<_> = literals.chain(expressions).collect();
        match kinds.first() {
            None => Visitor::Person,
            Some(_) if kinds.contains(&Visitor::Preview) => Visitor::Preview,
            Some(_) => Visitor::Bot,
        }
    }
}

/// Returns the text that a pattern matches; `None` if it has operators of regular expressions.
fn literal(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                escaped if escaped.is_ascii_alphanumeric() => return None,
                escaped => text.push(escaped),
            },
            '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => {
                return None;
            }
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";

    #[test]
    fn people_and_robots_are_told_apart() {
        let agents = Agents::new().unwrap();
        let insta =
            format!("{IPHONE} Mobile/15E148 Instagram 357.0.0 (iPhone15,2; cloud; Google/google)");
        for (agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                Visitor::Person,
            ),
            (insta.as_str(), Visitor::Person),
            (
                "Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_P20) AppleWebKit/537.36 Chrome/91.0 Mobile Safari/537.36",
                Visitor::Person,
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36 musical_ly_2023 Channel/googleplay",
                Visitor::Person,
            ),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                Visitor::Preview,
            ),
            ("WhatsApp/2.23.20.0", Visitor::Preview),
            ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", Visitor::Preview),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                Visitor::Bot,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0 Safari/537.36",
                Visitor::Bot,
            ),
            ("curl/7.88.1", Visitor::Bot),
            ("", Visitor::Bot),
            ("afterclick-doctor/0.1", Visitor::SelfTest),
        ] {
            assert_eq!(agents.judge(agent).visitor, expected, "{agent}");
        }
    }

    #[test]
    fn devices_and_apps_are_named() {
        let agents = Agents::new().unwrap();
        let judged = agents.judge(&format!("{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/480.0]"));
        assert_eq!((judged.device, judged.in_app), (Device::Mobile, InApp::Facebook));
        assert_eq!(
            agents.judge("Mozilla/5.0 (Linux; Android 14; SM-X910) Chrome/130").device,
            Device::Tablet
        );
        assert_eq!(
            agents.judge("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605").device,
            Device::Desktop
        );
    }

    /// Every example that comes with the list must be found by the compiled list.
    #[test]
    fn no_listed_robot_passes_for_a_person() {
        let agents = Agents::new().unwrap();
        let samples = include_str!("../tests/data/crawlers.txt");
        let missed: Vec<_> = samples
            .lines()
            .filter(|agent| agents.judge(agent).visitor == Visitor::Person)
            .collect();
        assert!(
            missed.len() * 200 < samples.lines().count(),
            "{} missed: {missed:#?}",
            missed.len()
        );
    }
}
