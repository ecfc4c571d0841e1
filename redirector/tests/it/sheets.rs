//! A campaign in one file: made, made again, and refused as a whole.

use harness::Answer;
use hyper::Method;
use serde_json::Value;

use crate::support::Stage;

const FILE: &str = "influencer,email,iban,campaign,commission,slug,code,destination
Ben,ben@example.com,DE02120300000000202051,Winter,15%,ben,BEN15,https://shop.test/
Clara,,,Winter,,clara,,https://shop.test/c
Dora,,,Winter,,,DORA5,
Anna,,,Autumn,,anna,ANNA15,https://shop.test/moved
";

async fn import(stage: &Stage, query: &str, file: &str) -> Answer {
    let path = format!("/api/v1/campaigns/import?merchant={}{query}", stage.merchant);
    stage.product.ask(Method::POST, &path, "text/csv", file.to_owned()).await.unwrap()
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// Returns what became of influencer, campaign, link and coupon in each row.
fn did(answer: &Answer) -> Vec<[String; 4]> {
    let rows = parsed(answer)["rows"].as_array().unwrap().clone();
    let of = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let names = ["influencer_did", "campaign_did", "link_did", "coupon_did"];
    rows.iter().map(|row| names.map(|name| of(row, name))).collect()
}

async fn count(stage: &Stage, resource: &str) -> usize {
    let page = stage.product.read(&format!("/api/v1/{resource}")).await.unwrap();
    page["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_file_makes_a_whole_campaign_and_changes_nothing_when_it_comes_again() {
    let stage = Stage::set().await;
    let expected = [
        ["created", "created", "created", "created"],
        ["created", "stayed", "created", "-"],
        ["created", "stayed", "-", "created"],
        ["stayed", "stayed", "changed", "created"],
    ];
    let look = import(&stage, "&dry_run=true", FILE).await;
    assert_eq!((look.status, did(&look)), (200, expected.map(|row| row.map(str::to_owned)).into()));
    assert_eq!((count(&stage, "influencers").await, count(&stage, "links").await), (1, 1));

    let made = import(&stage, "", FILE).await;
    assert_eq!((made.status, did(&made)), (201, did(&look)), "{}", made.body);
    let answer = parsed(&made);
    assert_eq!(
        (&answer["entity_count"], answer["rows"].as_array().unwrap().len()),
        (&10.into(), 4)
    );
    let ben = answer["rows"][0]["influencer"].as_str().unwrap();
    let ben = stage.product.read(&format!("/api/v1/influencers/{ben}")).await.unwrap();
    assert_eq!(ben["payout"]["iban"], "DE02120300000000202051");
    let click = stage.visit(Method::GET, "/ben", &[]).await;
    assert!(click.header("location").starts_with("https://shop.test/?ac="), "{}", click.body);
    assert!(stage.click(&[]).await.header("location").starts_with("https://shop.test/moved?ac="));

    let again = parsed(&import(&stage, "", FILE).await);
    assert_eq!(again["entity_count"], 0, "{again}");
    assert_eq!((count(&stage, "influencers").await, count(&stage, "links").await), (4, 3));
}

#[tokio::test]
async fn one_bad_row_refuses_the_file_and_every_bad_row_is_named() {
    let stage = Stage::set().await;
    let file = "influencer,email,iban,campaign,slug,code,destination
Ben,,,Autumn,ben,,https://shop.test/
Clara,,,Spring,,,
Dora,no-address,DE00,Autumn,,,
Eve,,,Autumn,anna,,https://shop.test/
Fay,,,Autumn,fay,,https://evil.example/
,,,Autumn,,,
";
    let answer = import(&stage, "", file).await;
    assert_eq!(answer.status, 422);
    let errors = parsed(&answer)["errors"].as_array().unwrap().clone();
    let fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "line 3: campaign",
            "line 4: email",
            "line 4: payout",
            "line 5: slug",
            "line 6: destination",
            "line 7: influencer"
        ],
        "{errors:?}"
    );
    assert_eq!((count(&stage, "influencers").await, count(&stage, "links").await), (1, 1));
    for (file, said) in [
        ("influencer,campaign,colour\nBen,Autumn,red\n", "colour"),
        ("influencer,campaign\n", "no rows"),
        ("", "no rows"),
    ] {
        let answer = import(&stage, "", file).await;
        assert!(matches!(answer.status, 400 | 422), "{}", answer.body);
        assert!(answer.body.contains(said), "{}", answer.body);
    }
}
