//! What a user agent is: the kind of visitor, of device, and the app whose browser it is. Closed
//! sets; `agents` judges.

use serde::{Deserialize, Serialize};

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

/// The operating system, by the user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Os {
    /// iOS or iPadOS. An iPad that asks for the desktop's page says that it is a Mac.
    Ios,
    /// Android.
    Android,
    /// Windows for computers.
    Windows,
    /// macOS.
    Macos,
    /// Linux for computers.
    Linux,
    /// Another one, or none that it names.
    Other,
}

impl Os {
    /// Returns the word that answers of the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Android => "android",
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Linux => "linux",
            Self::Other => "other",
        }
    }
}

/// The app whose built-in browser sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InApp {
    /// No app: a browser by itself.
    None,
    /// Instagram.
    Instagram,
    /// Facebook.
    Facebook,
    /// TikTok or Douyin.
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
    /// Facebook Messenger.
    Messenger,
    /// Threads.
    Threads,
    /// WhatsApp.
    Whatsapp,
    /// YouTube.
    Youtube,
    /// X, once Twitter.
    X,
    /// Telegram.
    Telegram,
    /// Viber.
    Viber,
    /// Reddit.
    Reddit,
    /// Discord.
    Discord,
    /// WeChat.
    Wechat,
    /// Weibo.
    Weibo,
    /// QQ.
    Qq,
    /// VK.
    Vk,
    /// KakaoTalk or KakaoStory.
    Kakao,
    /// Naver.
    Naver,
}

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
            Self::Messenger => "messenger",
            Self::Threads => "threads",
            Self::Whatsapp => "whatsapp",
            Self::Youtube => "youtube",
            Self::X => "x",
            Self::Telegram => "telegram",
            Self::Viber => "viber",
            Self::Reddit => "reddit",
            Self::Discord => "discord",
            Self::Wechat => "wechat",
            Self::Weibo => "weibo",
            Self::Qq => "qq",
            Self::Vk => "vk",
            Self::Kakao => "kakao",
            Self::Naver => "naver",
        }
    }
}

/// The judgement on a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// The kind of visitor.
    pub visitor: Visitor,
    /// The kind of device.
    pub device: Device,
    /// The operating system.
    pub os: Os,
    /// The app whose browser it is.
    pub in_app: InApp,
}
