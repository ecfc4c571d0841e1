//! A campaign run by the command line: what people type, what they see, and how it ends when
//! something is wrong.

use std::process::{Output, Stdio};

use hyper::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{BROWSER, launch, until};
use harness::{Product, http};

/// A product, and somebody who types commands beside it.
struct Desk {
    product: Product,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let product =
            launch(&folder).arguments(&["--hosts", "go.agency.example"]).start().await.unwrap();
        Self { product, folder }
    }

    /// The program, with the server's address and token in its environment and nothing else of
    /// ours.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command
            .env("AFTERCLICK_URL", format!("http://{}", self.product.admin))
            .env("AFTERCLICK_TOKEN", &self.product.token);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    /// Runs a command that must work, and returns what it printed.
    async fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json`.
    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs a command that must fail, and returns its status and complaint.
    async fn failed(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Writes a file and returns its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Sets up a shop, twelve influencers and a campaign.
    async fn set_up(&self) {
        let shop = ["merchant", "add", "--name", "Shop", "--domains", "shop.example,other.example"];
        let money = ["--currency", "EUR", "--timezone", "Europe/Berlin"];
        self.done(&[&shop[..], &money].concat()).await;
        let names = (1..=12).map(|n| format!("Influencer {n}\n")).collect::<String>();
        let table = self.file("influencers.csv", &format!("name\n{names}"));
        assert_eq!(self.done(&["influencer", "import", &table]).await, "imported  12\n");
        let terms = ["--commission", "15%", "--window-days", "14"];
        let campaign = ["campaign", "add", "--merchant", "Shop", "--name", "Autumn"];
        self.done(&[&campaign[..], &terms].concat()).await;
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(harness::default_bin_dir().unwrap().join("afterclick"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_whole_campaign_is_run_by_the_command_line() {
    let desk = Desk::new().await;
    desk.set_up().await;
    let campaign = desk.json(&["campaign", "show", "Autumn"]).await;
    assert_eq!(campaign["window_days"], 14);
    assert_eq!(campaign["commission"]["rate"], "15", "{campaign}");

    let place = ["--campaign", "Autumn", "--influencer", "Influencer 1"];
    let link = ["link", "add", "--destination", "https://shop.example/shoes", "--slug", "one"];
    let link = desk.json(&[&link[..], &place].concat()).await;
    let coupon = desk.done(&[&["coupon", "add", "--code", "ONE15"], &place[..]].concat()).await;
    assert!(coupon.contains("code        ONE15\n"), "{coupon}");
    assert!(coupon.contains(" Autumn\n") && coupon.contains(" Influencer 1\n"), "{coupon}");

    let visit = [("host", "go.agency.example"), ("user-agent", BROWSER)];
    let click = async || {
        http::send(desk.product.public, Method::GET, "/one", &visit, "").await.unwrap().status
    };
    assert_eq!(click().await, 302);
    let stats = ["stats", "--by", "influencer", "--campaign", "Autumn"];
    let has_counted =
        async || desk.json(&stats).await["rows"][0]["clicks"]["billable"].as_i64() == Some(1);
    until("the click is counted", has_counted).await;
    let table = desk.done(&stats).await;
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["influencer", "clicks", "billable"], "{table}");
    assert_eq!(lines[1][1..5], ["Influencer", "1", "1", "1"], "{table}");

    let id = link["id"].as_str().unwrap();
    assert!(desk.done(&["link", "pause", id]).await.contains("paused          true\n"));
    assert_eq!(desk.json(&["link", "resume", id]).await["paused"], false);
    let to = ["--ends-at", "2030-01-01T00:00:00Z"];
    let changed = desk.json(&[&["link", "change", id], &to[..]].concat()).await;
    assert_eq!(changed["ends_at"], "2030-01-01T00:00:00.000Z", "{changed}");
    let cleared = desk.json(&["link", "change", id, "--clear", "ends-at"]).await;
    assert!(cleared["ends_at"].is_null(), "{cleared}");

    let hold = ["hold", "add", "--influencer", "Influencer 1", "--reason", "a look at the clicks"];
    let hold = desk.json(&hold).await;
    let released = desk.json(&["hold", "release", hold["id"].as_str().unwrap()]).await;
    assert!(released["released_at"].is_string(), "{released}");
    let bonus = ["--influencer", "Influencer 1", "--kind", "bonus", "--amount", "50.00"];
    let of = ["--note", "Welcome", "--campaign", "Autumn"];
    desk.done(&[&["booking", "add"], &bonus[..], &of].concat()).await;
    let balances = desk.done(&["balances", "--merchant", "Shop"]).await;
    assert!(balances.contains("Influencer 1  EUR") && balances.contains("50.00"), "{balances}");
}

#[tokio::test]
async fn what_shops_did_is_brought_in_and_looked_at() {
    let desk = Desk::new().await;
    desk.set_up().await;
    let code = ["coupon", "add", "--campaign", "Autumn", "--influencer", "Influencer 1"];
    desk.done(&[&code[..], &["--code", "ONE15"]].concat()).await;
    let orders = "order_id,currency,total,status,coupon\n7,EUR,100.00,paid,ONE15\n";
    let orders = desk.file("orders.csv", orders);
    let import = ["orders", "import", &orders, "--merchant", "Shop"];
    assert_eq!(desk.done(&import).await, "imported  1\n");
    let order = ["orders", "show", "Shop", "7"];
    let is_known = async || desk.run(&order).await.status.success();
    until("the order is known", is_known).await;
    let shown = desk.done(&order).await;
    assert!(shown.contains("decision.method         coupon\n"), "{shown}");
    assert!(shown.contains(" 15.00 ") && shown.contains(" Influencer 1"), "{shown}");
    let raw = desk.json(&order).await;
    assert_eq!(raw["commission"][0]["amount"], "15.00", "{raw}");

    let wrong = desk.file("wrong.csv", "order_id,currency,total\n8,EUR,much\n");
    let (status, said) = desk.failed(&["orders", "import", &wrong, "--merchant", "Shop"]).await;
    assert_eq!((status, said.starts_with("line 2")), (1, true), "{said}");
    let leads = desk.file("leads.csv", "lead_id,status,updated_at\nL1,open,2026-11-01T00:00:00Z\n");
    let import = ["leads", "import", &leads, "--merchant", "Shop"];
    assert_eq!(desk.done(&import).await, "imported  1\n");

    let nothing = desk.run(&["unparsed", "list"]).await;
    assert!(nothing.status.success() && nothing.stdout.is_empty());
    assert_eq!(desk.done(&["unparsed", "replay"]).await, "reread          0\nstill_unparsed  0\n");
    assert!(desk.json(&["reconcile", "list"]).await["items"].is_array());
    let (status, said) = desk.failed(&["reconcile", "now", "Shop"]).await;
    assert_eq!((status, said.contains("has no `shop_api`")), (1, true), "{said}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_the_status_says_whose_fault_it_is() {
    let desk = Desk::new().await;
    desk.set_up().await;
    let link = ["link", "add", "--campaign", "Autumn", "--influencer", "Influencer 2"];

    let (status, said) =
        desk.failed(&[&link[..], &["--destination", "http://elsewhere.com/"]].concat()).await;
    assert_eq!(status, 1);
    assert!(said.starts_with("destination: "), "{said}");

    let (status, said) = desk.failed(&["campaign", "show", "Spring"]).await;
    assert_eq!(
        (status, said.as_str()),
        (1, "campaign: `Spring` does not exist; `afterclick campaign list` shows all\n")
    );

    desk.done(&["influencer", "add", "--name", "Influencer 3"]).await;
    let (status, said) = desk.failed(&["influencer", "show", "Influencer 3"]).await;
    assert_eq!((status, said.matches("inf_").count()), (1, 2), "{said}");

    let table = "campaign,influencer,destination\nx,y,https://shop.example/\n";
    let table = desk.file("links.csv", table);
    let (status, said) = desk.failed(&["link", "import", &table]).await;
    assert_eq!(status, 1);
    assert!(said.contains("line 2: campaign: "), "{said}");
    assert!(said.contains("line 2: influencer: "), "{said}");

    let wrong_token = ["merchant", "list", "--token", "wrong"];
    let (status, said) = desk.failed(&wrong_token).await;
    assert_eq!((status, said.starts_with("Unknown access token: ")), (1, true), "{said}");

    for usage in [
        &["campaign", "change", "Autumn"][..],
        &["campaign", "add", "--merchant", "Shop", "--name", "X"],
        &["campaign", "add", "--merchant", "Shop", "--name", "X", "--commission", "15"],
        &["link", "list", "--nothing"],
    ] {
        assert_eq!(desk.failed(usage).await.0, 2, "{usage:?}");
    }
    let (status, said) = desk.failed(&["merchant", "list", "--url", "elsewhere"]).await;
    assert_eq!((status, said.contains("url = `elsewhere`")), (64, true), "{said}");
}

#[tokio::test]
async fn a_list_goes_on_over_pages_up_to_its_limit() {
    let desk = Desk::new().await;
    let names = (1..=1100).map(|n| format!("Influencer {n}\n")).collect::<String>();
    let table = desk.file("many.csv", &format!("name\n{names}"));
    let import = ["influencer", "import", &table, "--idempotency-key", "once"];
    assert_eq!(desk.json(&import).await["imported"], 1100);
    let again = desk.run(&import).await;
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("nothing was added"), "{said}");

    let lines = |table: String| table.lines().count() - 1;
    assert_eq!(lines(desk.done(&["influencer", "list", "--limit", "1050"]).await), 1050);
    assert_eq!(lines(desk.done(&["influencer", "list", "--limit", "5000"]).await), 1100);
    let shown = desk.json(&["influencer", "list", "--limit", "5000"]).await;
    assert_eq!(shown["items"].as_array().unwrap().len(), 1100);
    assert!(shown["next_cursor"].is_null(), "{}", shown["next_cursor"]);
    let shortened = desk.run(&["influencer", "list"]).await;
    assert!(String::from_utf8_lossy(&shortened.stderr).contains("--limit"));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command(&["influencer", "list"]);
    let unread = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let unread = unread.wait_with_output().await.unwrap();
    assert!(unread.status.success(), "{}", String::from_utf8_lossy(&unread.stderr));
}

#[tokio::test]
async fn the_settings_say_where_the_server_is_and_their_token_goes_nowhere_else() {
    let desk = Desk::new().await;
    let (address, token) = (desk.product.admin, &desk.product.token);
    let file =
        desk.file("afterclick.toml", &format!("admin = '{address}'\nadmin_token = '{token}'\n"));
    let list = ["merchant", "list", "--config", &file];
    let output = program(&list).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let elsewhere =
        program(&list).env("AFTERCLICK_URL", "http://192.0.2.1:9").output().await.unwrap();
    let said = String::from_utf8_lossy(&elsewhere.stderr);
    assert_eq!(elsewhere.status.code(), Some(64), "{said}");
    assert!(said.contains("token: no access token for http://192.0.2.1:9/"), "{said}");

    let url = format!("http://{address}");
    let at = ["--url", &url, "--token", token];
    let made = program(&[&["token", "create", "--role", "admin"], &at[..]].concat());
    let made = { made }.output().await.unwrap();
    let secret = String::from_utf8(made.stdout).unwrap();
    let at = ["--url", &url, "--token", secret.trim()];
    let listed = program(&[&["token", "list"], &at[..]].concat()).output().await.unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let id = listed.split_whitespace().find(|word| word.starts_with("tok_")).unwrap();
    let revoke = program(&[&["token", "revoke", id], &at[..]].concat()).output().await.unwrap();
    assert!(revoke.status.success(), "{}", String::from_utf8_lossy(&revoke.stderr));
    let refused = program(&[&["token", "list"], &at[..]].concat()).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "it is revoked");
}
