//! `docs/run/campaign.md`: its commands are run as they stand there, in their order, against a
//! server, and print what the page shows.

use std::path::Path;
use std::process::Stdio;

use regex::Regex;
use tokio::process::Command;

use crate::support::launch;

const PAGE: &str = include_str!("../../../docs/run/campaign.md");
/// What stands between the outputs of two blocks.
const BETWEEN: &str = "@@ end of a block @@\n";
/// The links' address on the page.
const LINKS: &str = "http://localhost:8080";

/// A block of commands, and what the page says that it prints.
struct Block {
    commands: String,
    prints: String,
}

/// Reads the blocks of commands; a block of text belongs to the commands before it.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for fenced in page.split("\n```").skip(1).step_by(2) {
        let (kind, content) = fenced.split_once('\n').unwrap();
        let content = format!("{content}\n");
        match kind {
            "sh" => blocks.push(Block { commands: content, prints: String::new() }),
            "text" => blocks.last_mut().unwrap().prints = content,
            other => panic!("a block of {other}"),
        }
    }
    blocks
}

/// Makes a script of the blocks. After each one, figures catch up: a reader is not as fast as a
/// test.
fn script(blocks: &[Block]) -> String {
    let settled = "until curl -sf \"$AFTERCLICK_URL/metrics\" \
                   | grep -q '^afterclick_hot_state_behind_records 0$'; do sleep 0.1; done";
    let block = |block: &Block| format!("{}{settled}\nprintf '%s' '{BETWEEN}'\n", block.commands);
    format!("set -euo pipefail\n{}", blocks.iter().map(block).collect::<String>())
}

/// Puts one word in the place of what differs from server to server, and one blank in that of many.
fn alike(printed: &str) -> Vec<String> {
    let rules = [
        (r"\b(mer|inf|cmp|lnk|cpn|pay)_[0-9a-z]+", "$1_"),
        (r"\b[0-9A-Za-z_-]{22}\b", "CLICK"),
        (r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?", "DAY"),
        (r"\b[0-9a-f]{32}\b", "SUM"),
        (r"[ ─-]{2,}", " "),
    ];
    let alike = rules.iter().fold(printed.to_owned(), |text, (pattern, word)| {
        Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    });
    alike.lines().map(|line| line.trim().to_owned()).collect()
}

async fn run(script: &str, folder: &Path, environment: &[(&str, String)]) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(folder).env_clear().stdin(Stdio::null());
    bash.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = bash.kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\nafter:\n{printed}");
    printed
}

#[tokio::test]
async fn the_page_about_a_campaign_says_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    let product = launch(&folder).arguments(&["--hosts", "localhost"]).start().await.unwrap();
    let programs = harness::default_bin_dir().unwrap();
    let environment = [
        ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display())),
        ("AFTERCLICK_URL", format!("http://{}", product.admin)),
        ("AFTERCLICK_TOKEN", product.token.clone()),
        ("AFTERCLICK_DATA", product.data().display().to_string()),
    ];
    let blocks = blocks(PAGE);
    assert!(blocks.len() > 8, "the page has its commands");
    let links = format!("http://localhost:{}", product.public.port());
    let script = script(&blocks).replace(LINKS, &links);
    let printed = run(&script, folder.path(), &environment).await;
    for (block, printed) in blocks.iter().zip(printed.split(BETWEEN)) {
        let (shown, commands) = (alike(&block.prints), &block.commands);
        assert_eq!(alike(printed), shown, "{commands}prints\n{printed}");
    }
}
