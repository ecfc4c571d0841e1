"""Reads payment files with software that is not ours. See readers.rs."""

import csv
import pathlib
import random
import string
import sys
import xml.etree.ElementTree as ElementTree
from decimal import Decimal

import schwifty
import sepaxml
import xmlschema

NAMESPACE = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
SCHEMA = pathlib.Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"
# SWIFT's registry of IBANs. schwifty knows others besides, which are in use but not registered.
COUNTRIES = (
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL GR"
    " GT HN HR HU IE IL IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO OM"
    " PK PL PS PT QA RO RS RU SA SC SD SE SI SK SM SO ST SV TL TN TR UA VA VG XK YE"
).split()
# EPC409-09, version 8.0.
SEPA = (
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL"
    " NO PL PT RO RS SE SI SK SM VA"
).split()


def fail(text):
    sys.exit(f"wrong: {text}")


def check_file(path):
    xmlschema.XMLSchema(str(SCHEMA)).validate(path)
    root = ElementTree.parse(path).getroot()

    def found(name, within=root):
        return list(within.iter(NAMESPACE + name))

    amounts = [Decimal(amount.text) for amount in found("InstdAmt")]
    for count in found("NbOfTxs"):
        if int(count.text) != len(amounts):
            fail(f"number of transactions {count.text}, there are {len(amounts)}")
    for total in found("CtrlSum"):
        if Decimal(total.text) != sum(amounts):
            fail(f"control sum {total.text}, the lines make {sum(amounts)}")
    for iban in found("IBAN"):
        if not schwifty.IBAN(iban.text, allow_invalid=True).is_valid:
            fail(f"IBAN {iban.text}")
    for bic in found("BICFI"):
        if not schwifty.BIC(bic.text, allow_invalid=True).is_valid:
            fail(f"BIC {bic.text}")
    ids = [end_to_end.text for end_to_end in found("EndToEndId")]
    if len(ids) != len(set(ids)):
        fail("EndToEndId twice")
    addresses = found("PstlAdr")
    for address in addresses:
        if found("AdrLine", address) or not (found("TwnNm", address) and found("Ctry", address)):
            fail("address without a town, or with free lines")
    currencies = {amount.get("Ccy") for amount in found("InstdAmt")}
    print(
        f"{len(amounts)} transactions, {sum(amounts)} {'/'.join(sorted(currencies))}, "
        f"{len(addresses)} structured addresses"
    )


def print_ibans():
    """Prints IBANs with schwifty's verdict: valid ones of every country, and changed ones."""
    numbers = random.Random(7)
    for country in COUNTRIES:
        for _ in range(20):
            iban = str(schwifty.IBAN.random(country_code=country, random=numbers))
            changed = [iban, iban[:-1], iban + "0"]
            for _ in range(3):
                at = numbers.randrange(2, len(iban))
                other = numbers.choice(string.digits + string.ascii_uppercase)
                changed.append(iban[:at] + other + iban[at + 1 :])
            at = numbers.randrange(4, len(iban) - 1)
            changed.append(iban[:at] + iban[at + 1] + iban[at] + iban[at + 2 :])
            for text in changed:
                is_valid = schwifty.IBAN(text, allow_invalid=True).is_valid
                print(text, "valid" if is_valid else "invalid")


def print_sepa_ibans():
    numbers = random.Random(7)
    for country in SEPA:
        print(schwifty.IBAN.random(country_code=country, random=numbers))


def check_csv(form, path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, strict=True))
    amount, currency = {"paypal": (1, 2), "wise": (7, 5), "plain": (9, 10)}[form]
    if form != "paypal":
        rows = rows[1:]
    total = sum(Decimal(row[amount].replace(",", ".")) for row in rows)
    print(f"{len(rows)} lines, {total} {'/'.join(sorted({row[currency] for row in rows}))}")


match sys.argv[1:]:
    case ["file", path]:
        check_file(path)
    case ["ibans"]:
        print_ibans()
    case ["sepa-ibans"]:
        print_sepa_ibans()
    case ["csv", form, path]:
        check_csv(form, path)
