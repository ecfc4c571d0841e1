//! Recognises user agents: a person's browser, an in-app browser, a link-preview fetcher or a
//! robot.
//!
//! Whoever looks like a browser is a robot only by a word of its own: a name of the
//! crawler-user-agents list in `data/`, a word such as `…bot` or `…crawler`, or an address to
//! complain to. A part of another word says nothing (`ViewSonic`, `CUBOT`), and neither does the
//! model of a phone (`FEVER`). In-app browsers come first, because influencers' followers use them.
//! Whoever does not look like a browser is no person.
//!
//! A judgement takes microseconds, so the edge keeps judgements by user agent. It never
//! decides what a click earns: `shared::class` does.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex::Regex;
use shared::agent::{Agent, Device, InApp, Os, Visitor};

/// The list of robots: lines of `kind<TAB>pattern`.
const LIST: &str = include_str!("../data/crawler-user-agents.tsv");
/// Names in the list that people's browsers and apps bear, too: a search company's browser and a
/// school's app. What begins like a browser is one of these.
const BROWSERS_IN_LIST: [&str; 2] = ["Freespoke/", "Blackboard"];

/// The marks of in-app browsers. The first one that is found decides, so an app's own mark stands
/// before the marks of its family.
const IN_APP: [(&str, InApp); 49] = [
    ("Barcelona", InApp::Threads),
    ("Threads ", InApp::Threads),
    ("Instagram", InApp::Instagram),
    ("MessengerForiOS", InApp::Messenger),
    ("MessengerLiteForiOS", InApp::Messenger),
    ("FB_IAB/Orca", InApp::Messenger),
    ("FB_IAB/MESSENGER", InApp::Messenger),
    ("MetaIAB Messenger", InApp::Messenger),
    ("MetaIAB WhatsApp", InApp::Whatsapp),
    ("FBAN/", InApp::Facebook),
    ("FBAV/", InApp::Facebook),
    ("FB_IAB", InApp::Facebook),
    ("FBIOS", InApp::Facebook),
    ("MetaIAB", InApp::Facebook),
    ("musical_ly", InApp::Tiktok),
    ("trill_", InApp::Tiktok),
    ("BytedanceWebview", InApp::Tiktok),
    ("ByteLocale", InApp::Tiktok),
    ("TikTok", InApp::Tiktok),
    ("aweme", InApp::Tiktok),
    ("Snapchat", InApp::Snapchat),
    ("[Pinterest", InApp::Pinterest),
    ("Pinterest for", InApp::Pinterest),
    (" Pinterest/", InApp::Pinterest),
    ("LinkedInApp", InApp::Linkedin),
    ("GSA/", InApp::Google),
    (" Line/", InApp::Line),
    ("MicroMessenger", InApp::Wechat),
    ("Weibo", InApp::Weibo),
    ("__weibo__", InApp::Weibo),
    (" QQ/", InApp::Qq),
    ("VKAndroidApp", InApp::Vk),
    ("VKClient", InApp::Vk),
    ("vkclient", InApp::Vk),
    ("com.vk.", InApp::Vk),
    ("KAKAOTALK", InApp::Kakao),
    ("KAKAOSTORY", InApp::Kakao),
    ("com.google.android.youtube", InApp::Youtube),
    ("com.google.ios.youtube", InApp::Youtube),
    ("YouTube", InApp::Youtube),
    ("Twitter for ", InApp::X),
    ("TwitterAndroid", InApp::X),
    ("Telegram-", InApp::Telegram),
    (" Telegram", InApp::Telegram),
    ("Viber", InApp::Viber),
    ("Reddit", InApp::Reddit),
    ("Discord", InApp::Discord),
    ("NAVER(", InApp::Naver),
    ("; wv)", InApp::Webview),
];

/// Returns the kind of device that a user agent names.
fn device_of(agent: &str) -> Device {
    if !agent.starts_with("Mozilla/") {
        return Device::Unknown;
    }
    let android = agent.contains("Android");
    if agent.contains("iPad") || (android && !agent.contains("Mobile")) {
        Device::Tablet
    } else if android || agent.contains("iPhone") || agent.contains("Mobile") {
        Device::Mobile
    } else {
        Device::Desktop
    }
}

/// The marks of operating systems. The first one that is found decides: browsers name others, too.
const SYSTEMS: [(&str, Os); 12] = [
    ("Windows Phone", Os::Other),
    ("Tizen", Os::Other),
    ("Web0S", Os::Other),
    ("KAIOS", Os::Other),
    ("Android", Os::Android),
    ("iPhone", Os::Ios),
    ("iPad", Os::Ios),
    ("iPod", Os::Ios),
    ("Windows", Os::Windows),
    ("Macintosh", Os::Macos),
    ("Linux", Os::Linux),
    ("Ubuntu", Os::Linux),
];

/// Returns the operating system that a user agent names.
fn os_of(agent: &str) -> Os {
    SYSTEMS.iter().find(|(mark, _)| agent.contains(mark)).map_or(Os::Other, |&(_, os)| os)
}

/// Returns the app whose browser a user agent names.
fn in_app_of(agent: &str) -> InApp {
    IN_APP.iter().find(|(mark, _)| agent.contains(mark)).map_or(InApp::None, |&(_, app)| app)
}

/// Returns whether the app is known by a name.
const fn is_named(app: InApp) -> bool {
    !matches!(app, InApp::None | InApp::Webview)
}

/// The compiled list. It is built once at the start, which takes some tens of milliseconds.
pub struct Agents {
    literals: AhoCorasick,
    literal_kinds: Vec<Visitor>,
    expressions: Vec<(Regex, Visitor)>,
    shapes: Shapes,
}

/// What user agents look like, besides the names of the list.
struct Shapes {
    /// How a browser's user agent begins, or what only a browser's engine says.
    browser: Regex,
    /// The platform of a phone, a tablet or a television, with its model.
    device: Regex,
    /// An engine, a platform or a family of browsers. A robot that says `Mozilla/5.0` and no more
    /// than its own name has none.
    engine: Regex,
    /// An address: robots say where to complain.
    address: Regex,
    /// A word that says what a robot does.
    robot_word: Regex,
}

impl Shapes {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            browser: Regex::new(
                r"(?i)^(?:mozilla ?[/ ]|opera/|ucweb|mqqbrowser|samsung-|sonyericsson|nokia|blackberry|lg[-/]|mot-|zte|huawei|htc[_-]|treo|alcatel|sie-|sagem|vodafone|docomo|links |e?links/|lynx/|w3m/|dillo/|ibrowse/|\[fb|fban/)|applewebkit/?[0-9]|up\.browser|browser/(?:wap|obigo|dorado)|midp|ucbrowser/",
            )?,
            device: Regex::new(
                r"(?i)^mozilla/[0-9]\.[0-9] ?\((?:[^()]|\([^()]*\))*?(?:android|linux; u;|tizen|kaios|smart-?tv|symbian|windows phone)(?:[^()]|\([^()]*\))*\)",
            )?,
            engine: Regex::new(
                r"(?i)gecko|goanna|webkit|khtml|msie|trident|opera|presto|netfront|obigo|browser|symbian|nokia|midp|blackberry|playstation|nintendo|teleca|maui|konqueror|icab|netscape|firefox|webos|openwave|jasmine|semc|brew|dolphin|polaris|novarra|ucweb|bada|series ?[0-9]0|android|windows phone|iphone|ipad|amiga|palmos|risc os|beos|x11|win9[58]|ladybird|links|lynx|w3m|dillo|sie-|\[fb|fban",
            )?,
            address: Regex::new(
                r"(?i)https?:|www\.|@[a-z][a-z0-9-]*\.[a-z]{2}|\w@\w[\w-]*\.[a-z]{2}",
            )?,
            robot_word: Regex::new(
                r"(?i)(?:bot|spider|fetcher|checker|validator|verifier|verification|archiver|headless[a-z]*|crawl(?:er)?|preview|slurp|indexer|observatory|diagnostics|inspector|synthetics?|monitor(?:ing)?|measurement|classifier|thumbnails?|page ?speed|search console|pageburst|catchpoint|pingdom[a-z]*|scanner|transcoder|[a-z]agent|site24x7|-google|google-[a-z]+)s?(?:[^a-z]|$)|gecko[;,] ?(?:compatible|google(?:[^w]|$)|mediapartners)",
            )?,
        })
    }

    /// Returns whether a text has a robot's word or an address. Two old browsers name their maker's
    /// page.
    fn says_robot(&self, text: &str) -> bool {
        let of_browser = ["bsalsa.com", "www.QtWeb.net"];
        self.address.is_match(text) && !of_browser.iter().any(|page| text.contains(page))
            || self.robot_word.find_iter(text).any(|found| is_robot_word(text, found.start()))
    }

    /// Returns the part of a browser's user agent in which a robot would name itself: everything
    /// but the platform of a phone, whose models have names like any word.
    fn beside_device<'a>(&self, agent: &'a str) -> &'a str {
        match self.device.find(agent) {
            Some(device) if !names_a_robot(device.as_str()) => &agent[device.end()..],
            _ => agent,
        }
    }
}

/// Returns whether a robot named itself beside the model of the phone that it pretends to be.
fn names_a_robot(device: &str) -> bool {
    const MARKS: [&str; 5] = ["http", "compatible;", "-Google/", "bot/", "Catchpoint"];
    MARKS.iter().any(|mark| device.contains(mark)) && !device.contains("MSIE")
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
        let invalid = |error: regex::Error| AgentListError(error.to_string());
        let (mut literals, mut literal_kinds) = (Vec::new(), Vec::new());
        let mut expressions = Vec::new();
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
                let pattern = pattern.replace("\\/", "/");
                expressions.push((Regex::new(&pattern).map_err(invalid)?, kind));
            }
        }
        Ok(Self {
            literals: AhoCorasick::new(&literals).map_err(|e| AgentListError(e.to_string()))?,
            literal_kinds,
            expressions,
            shapes: Shapes::new().map_err(invalid)?,
        })
    }

    /// Judges a user agent. An empty one is a robot.
    pub fn judge(&self, agent: &str) -> Agent {
        let in_app = in_app_of(agent);
        let (device, os) = (device_of(agent), os_of(agent));
        Agent { visitor: self.visitor(agent, in_app), device, os, in_app }
    }

    fn visitor(&self, agent: &str, in_app: InApp) -> Visitor {
        if agent.starts_with("afterclick-doctor/") {
            return Visitor::SelfTest;
        }
        if !self.shapes.browser.is_match(agent) {
            return self.without_shape(agent, in_app);
        }
        let said = self.shapes.beside_device(agent);
        // Fetchers of the same networks name their app too, but also what they do.
        if is_named(in_app) && !self.shapes.says_robot(said) {
            return Visitor::Person;
        }
        let counts = |found: Range<usize>| {
            let is_browser =
                BROWSERS_IN_LIST.iter().any(|name| said[found.clone()].starts_with(name));
            is_own_word(said, found) && !is_browser
        };
        if let Some(listed) = self.listed(said, counts) {
            return listed;
        }
        if self.shapes.says_robot(said) || !self.shapes.engine.is_match(agent) {
            return Visitor::Bot;
        }
        Visitor::Person
    }

    /// Judges a user agent that does not look like a browser's. An app that says no more than its
    /// own name shows a page to a person; its library for connections does not.
    fn without_shape(&self, agent: &str, in_app: InApp) -> Visitor {
        let listed = self.listed(agent, |_| true);
        let is_page = is_named(in_app)
            && listed != Some(Visitor::Preview)
            && !agent.contains("CFNetwork")
            && !self.shapes.says_robot(agent);
        if is_page { Visitor::Person } else { listed.unwrap_or(Visitor::Bot) }
    }

    /// Returns the kind of the robot that the list names, where `counts` takes the place of its
    /// name. A fetcher of previews is one whatever else is found.
    fn listed(&self, agent: &str, counts: impl Fn(Range<usize>) -> bool) -> Option<Visitor> {
        let literals = self
            .literals
            .find_overlapping_iter(agent)
            .filter(|found| counts(found.range()))
            .map(|found| self.literal_kinds[found.pattern().as_usize()]);
        let expressions = self.expressions.iter().filter_map(|(expression, kind)| {
            expression.find_iter(agent).any(|found| counts(found.range())).then_some(*kind)
        });
        literals.chain(expressions).max_by_key(|kind| *kind == Visitor::Preview)
    }
}

/// Returns whether a place of `text` is a word of its own, or several: no letter or digit goes on
/// before it, and no letter behind it.
fn is_own_word(text: &str, place: Range<usize>) -> bool {
    let (before, word, behind) = (&text[..place.start], &text[place.clone()], &text[place.end..]);
    let goes_on_before =
        word.starts_with(char::is_alphanumeric) && before.ends_with(|c: char| c.is_alphanumeric());
    let goes_on_behind =
        word.ends_with(char::is_alphabetic) && behind.starts_with(char::is_alphabetic);
    !goes_on_before && !goes_on_behind
}

/// Returns whether the word at `start` is not the end of a maker's or an app's name: `CUBOT` makes
/// phones, and `CamScanner` shows pages.
fn is_robot_word(text: &str, start: usize) -> bool {
    let before = &text.as_bytes()[..start];
    let ends_with = |end: &str| {
        before.len() >= end.len()
            && before[before.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    !["cu", "cam"].into_iter().any(ends_with)
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
            ("Viber/13.3.0 CFNetwork/1121.2.2 Darwin/19.3.0", Visitor::Preview),
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
            ("ELB-HealthChecker/2.0", Visitor::Bot),
            ("undici", Visitor::Bot),
            ("Mozilla/5.0 (compatible; Unheard/1.0)", Visitor::Bot),
            ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)", Visitor::Bot),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 (+https://audit.example/)",
                Visitor::Bot,
            ),
            (
                "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Mobile Safari/537.36",
                Visitor::Bot,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X) AppleWebKit/537.51.1 (KHTML, like Gecko) Mobile/11A465 Twitter for iPhone BrandVerity/1.0 (http://www.brandverity.com/)",
                Visitor::Bot,
            ),
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

    #[test]
    fn the_operating_system_is_the_devices_own() {
        for (agent, os) in [
            (IPHONE, Os::Ios),
            ("Mozilla/5.0 (iPad; CPU OS 16_1 like Mac OS X) Safari/604", Os::Ios),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/130", Os::Android),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142", Os::Windows),
            ("Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Lumia) Edge/15", Os::Other),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", Os::Macos),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0", Os::Linux),
            ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/142", Os::Other),
            ("Mozilla/5.0 (Linux; Tizen 2.3) SamsungBrowser/2", Os::Other),
            ("", Os::Other),
        ] {
            assert_eq!(os_of(agent), os, "{agent}");
        }
    }

    /// The words of robots inside other words, models of phones, and apps' own browsers.
    #[test]
    fn a_part_of_a_name_makes_nobody_a_robot() {
        let agents = Agents::new().unwrap();
        let android = |model: &str| {
            format!(
                "Mozilla/5.0 (Linux; Android 12; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
            )
        };
        for model in [
            "ViewSonic-V350",
            "FEVER Build/LMY47D",
            "Butterfly2",
            "Expanse",
            "008/1.0",
            "CUBOT GT99",
            "GLX Spider1S Build/KOT49H",
            "Crawler",
        ] {
            assert_eq!(agents.judge(&android(model)).visitor, Visitor::Person, "{model}");
        }
        let view = "Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.7444.142 Mobile Safari/537.36";
        for (mark, app) in [
            ("MetaIAB Facebook", InApp::Facebook),
            ("MetaIAB Messenger", InApp::Messenger),
            ("[FB_IAB/FB4A;FBAV/480.0;]", InApp::Facebook),
            ("[FB_IAB/Orca-Android;FBAV/480.0;]", InApp::Messenger),
            ("Instagram 406.0.0.58.159 Android", InApp::Instagram),
            ("Barcelona 350.0 Android", InApp::Threads),
            ("Viber/21.1", InApp::Viber),
            ("MicroMessenger/8.0.49 NetType/WIFI Language/zh_CN", InApp::Wechat),
            ("Weibo (Pixel__weibo__14.1.0__android__android15)", InApp::Weibo),
            ("V1_AND_SQ_9.0.0 QQ/9.0.0", InApp::Qq),
            ("aweme.app", InApp::Tiktok),
            ("KAKAOTALK 10.4.5", InApp::Kakao),
            ("VKAndroidApp/8.10", InApp::Vk),
            ("TwitterAndroid", InApp::X),
            ("Telegram-Android/11.2", InApp::Telegram),
            ("Reddit/Version 2024.40", InApp::Reddit),
            ("Discord/250.0", InApp::Discord),
            ("Snapchat/13.1", InApp::Snapchat),
            ("NAVER(inapp; search; 1000; 12.4.2)", InApp::Naver),
            (" Line/14.17.0/IAB", InApp::Line),
            ("LinkedInApp/4.1", InApp::Linkedin),
            ("[Pinterest/Android]", InApp::Pinterest),
            ("com.google.android.youtube/19.0", InApp::Youtube),
            ("", InApp::Webview),
        ] {
            let judged = agents.judge(&format!("{view} {mark}"));
            assert_eq!((judged.visitor, judged.in_app), (Visitor::Person, app), "{mark}");
        }
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari/605.1";
        for agent in [
            format!("{phone} Freespoke/2.0.0"),
            format!("{phone} Blackboard/6.9"),
            format!("{view} Blackboard/unspecified"),
        ] {
            assert_eq!(agents.judge(&agent).visitor, Visitor::Person, "{agent}");
        }
        assert_eq!(agents.judge("Blackboard Safeassign").visitor, Visitor::Bot);
        let alone = agents.judge("[FBAN/FB4A;FBAV/480.0;FBBV/1;FBDM/{density=3.0}]");
        assert_eq!((alone.visitor, alone.in_app), (Visitor::Person, InApp::Facebook));
    }

    #[test]
    fn no_person_is_taken_for_a_robot() {
        let agents = Agents::new().unwrap();
        let samples = include_str!("../tests/data/people.txt");
        let refused: Vec<_> = samples
            .lines()
            .filter(|agent| agents.judge(agent).visitor != Visitor::Person)
            .collect();
        assert!(refused.is_empty() && samples.lines().count() > 500, "{refused:#?}");
    }

    #[test]
    fn no_listed_robot_passes_for_a_person() {
        let agents = Agents::new().unwrap();
        let samples = include_str!("../tests/data/crawlers.txt");
        let missed: Vec<_> = samples
            .lines()
            .filter(|agent| agents.judge(agent).visitor == Visitor::Person)
            .collect();
        assert!(missed.is_empty() && samples.lines().count() > 1000, "{missed:#?}");
    }
}
