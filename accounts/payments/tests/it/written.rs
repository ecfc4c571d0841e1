//! What is written, byte by byte.

use basics::payee::Payer;
use payments::{Format, write};
use serde_json::json;

use crate::support::{good, job, money, payee, transfer};

#[test]
fn a_file_says_what_it_is_and_what_it_sums_to() {
    for (format, name, media_type, sum) in [
        (Format::Sepa, "payout-7-EUR-sepa.xml", "application/xml", "1000000399.11"),
        (Format::Paypal, "payout-7-EUR-paypal.csv", "text/csv", "1399.12"),
        (Format::Wise, "payout-7-USD-wise.csv", "text/csv", "399.13"),
        (Format::Plain, "payout-7-EUR-plain.csv", "text/csv", "1000000399.11"),
    ] {
        let file = write(&good(format), format).unwrap();
        assert_eq!((file.name.as_str(), file.media_type), (name, media_type));
        assert_eq!((file.count, file.control_sum.to_string()), (3, sum.to_owned()), "{format}");
        assert_eq!(write(&good(format), format).unwrap(), file, "the same job, the same bytes");
    }
}

#[test]
fn a_sepa_file_has_structured_addresses_and_sepas_letters() {
    let xml = write(&good(Format::Sepa), Format::Sepa).unwrap().text;
    for part in [
        "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09",
        "<MsgId>pay-0000000000007</MsgId>",
        "<CreDtTm>2026-12-01T00:00:00</CreDtTm>",
        "<NbOfTxs>3</NbOfTxs>",
        "<CtrlSum>1000000399.11</CtrlSum>",
        "<PmtInfId>pay-0000000000007</PmtInfId>",
        "<ReqdExctnDt><Dt>2026-12-03</Dt></ReqdExctnDt>",
        "<Dbtr><Nm>Mueller + Soehne GmbH</Nm><PstlAdr><StrtNm>Koenigsallee</StrtNm>\
         <BldgNb>1</BldgNb><PstCd>40212</PstCd><TwnNm>Duesseldorf</TwnNm><Ctry>DE</Ctry></PstlAdr>",
        "<DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>",
        "<DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt>",
        "<ChrgBr>SLEV</ChrgBr>",
        "<EndToEndId>pay-7-1</EndToEndId>",
        "<InstdAmt Ccy=\"EUR\">254.81</InstdAmt>",
        "<CdtrAgt><FinInstnId><BICFI>ESSESESS</BICFI></FinInstnId></CdtrAgt>",
        "<Cdtr><Nm>Ase Oberg</Nm><PstlAdr><StrtNm>Drottninggatan</StrtNm><BldgNb>12 B</BldgNb>\
         <PstCd>111 51</PstCd><TwnNm>Malmo</TwnNm><Ctry>SE</Ctry></PstlAdr></Cdtr>",
        "<Cdtr><Nm>Anna</Nm></Cdtr>",
        "<Cdtr><Nm>Sara Cohen</Nm><PstlAdr><TwnNm>Paris</TwnNm><Ctry>FR</Ctry></PstlAdr></Cdtr>",
        "<CdtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id></CdtrAcct>",
        "<Ustrd>afterclick payout 7, pay-7-1</Ustrd>",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
    assert!(!xml.contains("AdrLine"), "no free lines: {xml}");
}

#[test]
fn a_paypal_file_has_six_columns_and_the_payers_decimal_sign() {
    let file = write(&good(Format::Paypal), Format::Paypal).unwrap();
    assert_eq!(
        file.text,
        "anna@example.com,\"254,81\",EUR,pay_7-1,\"afterclick payout 7, pay_7-1\",PAYPAL\r\n\
         ben@example.com,\"144,31\",EUR,pay_7-2,\"afterclick payout 7, pay_7-2\",PAYPAL\r\n\
         cleo@example.com,\"1000,00\",EUR,pay_7-3,\"afterclick payout 7, pay_7-3\",PAYPAL\r\n"
    );
    let mut american = good(Format::Paypal);
    let payer = json!({ "name": "Shop Inc", "iban": "DE89370400440532013000",
                        "address": { "town": "Austin", "country": "US" } });
    american.payer = Some(Payer::read(&payer).unwrap());
    assert!(write(&american, Format::Paypal).unwrap().text.contains(",254.81,EUR,"));
    american.payer = None;
    assert!(write(&american, Format::Paypal).unwrap().text.contains(",254.81,EUR,"));
}

#[test]
fn amounts_have_the_decimals_of_their_currency() {
    let at_paypal = || payee(json!({ "method": "paypal", "email": "anna@example.com" }));
    let at_wise = || payee(json!({ "method": "wise", "email": "anna@example.com" }));
    let at_bank = || payee(json!({ "method": "bank", "iban": "KW81CBKU0000000000001234560101" }));
    for (format, payee, amount, currency, written) in [
        (Format::Paypal, at_paypal(), "1200", "JPY", ",1200,JPY,"),
        (Format::Paypal, at_paypal(), "1200.00", "HUF", ",1200,HUF,"),
        (Format::Paypal, at_paypal(), "1200.00", "TWD", ",1200,TWD,"),
        (Format::Wise, at_wise(), "1200", "JPY", ",target,1200,JPY,JPY"),
        (Format::Wise, at_wise(), "1.5", "GBP", ",target,1.50,GBP,GBP"),
        (Format::Plain, at_bank(), "12.345", "KWD", ",12.345,KWD,"),
        (Format::Plain, at_bank(), "1200", "JPY", ",1200,JPY,"),
    ] {
        let job = job(currency, vec![transfer("a", payee, money(amount, currency))]);
        let text = write(&job, format).unwrap().text;
        assert!(text.contains(written), "{format} {amount} {currency}: {text}");
    }
}

#[test]
fn a_wise_file_follows_one_of_wises_templates() {
    assert_eq!(
        write(&good(Format::Wise), Format::Wise).unwrap().text,
        "recipientId,name,recipientEmail,recipientDetail,sourceCurrency,targetCurrency,\
         amountCurrency,amount,paymentReference,receiverType\r\n\
         12345678,\"Şebnem, \"\"Ş\"\"\",,,USD,USD,target,254.81,\"afterclick payout 7, pay_7-1\",\
         PERSON\r\n\
         12345679,\"Şebnem, \"\"Ş\"\"\",,,USD,USD,target,144.31,\"afterclick payout 7, pay_7-2\",\
         INSTITUTION\r\n\
         12345680,\"Şebnem, \"\"Ş\"\"\",,,USD,USD,target,0.01,\"afterclick payout 7, pay_7-3\",\
         PERSON\r\n"
    );
    let anna = payee(json!({ "method": "wise", "email": "anna@example.com", "name": "Anna K" }));
    let job = job("EUR", vec![transfer("a", anna, money("1", "EUR"))]);
    assert_eq!(
        write(&job, Format::Wise).unwrap().text,
        "name,recipientEmail,paymentReference,receiverType,amountCurrency,amount,sourceCurrency,\
         targetCurrency\r\n\
         Anna K,anna@example.com,\"afterclick payout 7, a\",PERSON,target,1.00,EUR,EUR\r\n"
    );
}

#[test]
fn a_plain_file_runs_no_formula() {
    let mut job = good(Format::Plain);
    job.transfers.truncate(2);
    job.transfers[0].payee.name = Some("=cmd|' /C calc'!A0".to_owned());
    job.transfers[1].reference = "-1+1".to_owned();
    let text = write(&job, Format::Plain).unwrap().text;
    assert_eq!(
        text,
        "id,name,street,building,postcode,town,country,iban,bic,amount,currency,reference\r\n\
         pay_7-1,'=cmd|' /C calc'!A0,Drottninggatan,12 B,111 51,Malmö,SE,SE4550000000058398257466,\
         ESSESESS,254.81,EUR,\"afterclick payout 7, pay_7-1\"\r\n\
         pay_7-2,Anna,,,,,,LV80BANK0000435195001,,144.31,EUR,'-1+1\r\n"
    );
}
