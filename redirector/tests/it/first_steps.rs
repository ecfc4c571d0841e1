//! What somebody does first: sets up an installation, lets the shell complete commands, reads the
//! manual.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use harness::{Launch, default_bin_dir, http};
use hyper::Method;
use tokio::process::Command;

/// Runs the program in a folder, without anything of ours in its environment.
async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(default_bin_dir().unwrap().join("afterclick"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.kill_on_drop(true).output().await.unwrap()
}

async fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns every file below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn an_installation_is_set_up_once_and_its_token_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = printed(folder.path(), &["init"]).await;
    assert_eq!(first.matches("(new)").count(), 2, "{first}");
    let token = first.split_whitespace().find(|word| word.starts_with("ac_")).unwrap();
    let made = files(folder.path());
    assert!(made.contains_key(&folder.path().join("data/keys.json")), "{:?}", made.keys());

    let again = printed(folder.path(), &["init"]).await;
    assert_eq!(again.matches("(was there)").count(), 2, "{again}");
    assert!(!again.contains("ac_") && !again.contains("/sign-in/"), "a second one: {again}");
    assert_eq!(files(folder.path()), made, "nothing is changed");
    let elsewhere = run(folder.path(), &["init", "--data", "elsewhere"]).await;
    let said = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(elsewhere.status.code() == Some(1) && said.contains("--data: `"), "{said}");
    assert_eq!(files(folder.path()), made, "nothing is changed");

    let file = folder.path().join("afterclick.toml").display().to_string();
    let launch = Launch::new(default_bin_dir().unwrap(), folder.path().join("data"));
    let product = launch.arguments(&["--config", &file]).start().await.unwrap();
    let url = format!("http://{}", product.admin);
    let list = ["token", "list", "--url", &url, "--token", token];
    assert!(printed(folder.path(), &list).await.contains("afterclick init"));
    let secret = first.split("/sign-in/").nth(1).unwrap().split_whitespace().next().unwrap();
    let ask = async |method| {
        let headers = [("sec-fetch-site", "same-origin")];
        let path = format!("/sign-in/{secret}");
        http::send(product.admin, method, &path, &headers, "").await.unwrap()
    };
    assert!(ask(Method::GET).await.body.contains("First person"));
    assert_eq!(ask(Method::POST).await.status, 303);
    assert_eq!(ask(Method::POST).await.status, 410, "it signs in once");
    product.stop().await.unwrap();
}

#[tokio::test]
async fn shells_complete_commands_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let script = printed(folder.path(), &["completions", "bash"]).await;
    std::fs::write(folder.path().join("afterclick.bash"), script).unwrap();
    let complete = r#"source ./afterclick.bash
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
                _afterclick afterclick "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; echo "${COMPREPLY[@]}"; }
        try afterclick camp; try afterclick campaign pa; try afterclick campaign add --window"#;
    let mut bash = Command::new("bash");
    let bash = bash.args(["-euc", complete]).current_dir(folder.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&bash.stderr);
    assert_eq!(String::from_utf8_lossy(&bash.stdout), "campaign\npause\n--window-days\n", "{said}");
    for shell in ["zsh", "fish"] {
        assert!(printed(folder.path(), &["completions", shell]).await.contains("window-days"));
    }
    assert_eq!(run(folder.path(), &["completions", "csh"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn every_command_has_a_page_of_the_manual() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    let out = ["man", "--out", "pages"];
    assert_eq!(run(folder.path(), &out).await.status.code(), Some(1), "there is no such folder");
    std::fs::create_dir(&pages).unwrap();
    printed(folder.path(), &out).await;
    let pages: Vec<PathBuf> = files(&pages).into_keys().collect();
    for name in ["afterclick.1", "afterclick-serve.1", "afterclick-campaign-add.1"] {
        assert!(pages.iter().any(|page| page.ends_with(name)), "{name}");
    }
    assert!(printed(folder.path(), &["man"]).await.starts_with(".ie \\n(.g"), "one page");
    let mut groff = Command::new("groff");
    let groff = groff
        .args(["-Kutf8", "-man", "-Tutf8", "-ww", "-Wbreak", "-z"])
        .args(&pages)
        .output()
        .await;
    let Ok(groff) = groff else {
        return eprintln!("SKIPPED the form of manual pages: groff is not installed");
    };
    assert_eq!(String::from_utf8_lossy(&groff.stderr), "", "pages are in order");
}
