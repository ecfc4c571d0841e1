"""Computes what an order earns from the written rules, with exact fractions.

It never shares code with the product. It reads one order per line: the operations on it, and what
the product booked after each of them. It reports where the bookings differ from what is due. The
rules are those of docs/accounts/terms.md; amounts are decimal texts.
"""

import json
import sys
from fractions import Fraction

# ISO 4217: digits after the decimal point.
EXPONENTS = {code: 2 for code in (
    "AED ARS AUD BGN BRL CAD CHF CNY COP CZK DKK EGP EUR GBP HKD HUF ILS INR MXN MYR NOK NZD PLN SEK TRY USD ZAR"
).split()}
EXPONENTS |= {code: 0 for code in "CLP ISK JPY KRW PYG UGX VND".split()}
EXPONENTS |= {code: 3 for code in "BHD IQD JOD KWD OMR TND".split()}


def minor(text, currency):
    """Returns a decimal text in minor units; it must be a whole number of them."""
    exact = Fraction(text) * 10 ** EXPONENTS[currency]
    if exact.denominator != 1:
        raise ValueError(f"{text} {currency} is not a whole number of minor units")
    return exact.numerator


def nearest(exact):
    """Returns the nearest whole number; halves are rounded away from zero."""
    floor, rest = divmod(abs(exact.numerator), exact.denominator)
    rounded = floor + (1 if 2 * rest >= exact.denominator else 0)
    return -rounded if exact < 0 else rounded


class Order:
    """An order as it stands after some operations."""

    def __init__(self, terms):
        self.terms = terms
        self.snapshot = None
        self.refunds = {}
        self.void = False
        self.rate = None
        self.booked = {}

    def apply(self, operation):
        """Applies an operation; a repeated or outdated fact changes nothing."""
        kind = operation["op"]
        if kind == "snapshot":
            self.snapshot, self.void = operation, False
            self.refunds = dict(operation["refunds"])
        elif kind == "refund":
            self.refunds |= operation["refunds"]
        elif kind == "cancel":
            self.void = True
        elif kind == "rate":
            self.rate = Fraction(operation["rate"])
        elif kind not in ("repeat", "stale"):
            raise ValueError(kind)

    def kept_goods(self):
        """Returns the goods that the customer keeps, in minor units."""
        currency = self.terms["currency"]
        amount = lambda text: minor(text, currency)
        total, goods = amount(self.snapshot["total"]), sum(amount(line) for _, line in self.snapshot["lines"])
        given_back = sum(amount(refund["goods"]) for refund in self.refunds.values() if refund["goods"] is not None)
        pro_rata = sum(amount(refund["total"]) for refund in self.refunds.values() if refund["goods"] is None)
        goods = Fraction(max(goods - given_back, 0))
        if total > 0:
            return goods * Fraction(min(max(total - pro_rata, 0), total), total)
        return goods if pro_rata == 0 else Fraction(0)

    def share(self):
        """Returns the commission by percentages, in minor units of the order's currency.

        The first rule that matches a line counts for it.
        """
        currency = self.terms["currency"]
        weights = []
        for product, line in self.snapshot["lines"]:
            back = sum(minor(r["goods"], currency) for r in self.refunds.values() if r.get("line") == product)
            weights.append((product, max(minor(line, currency) - back, 0)))
        whole = sum(weight for _, weight in weights)
        if whole == 0:
            weights, whole = [(None, 1)], 1
        rate = Fraction(0)
        for product, weight in weights:
            for rule in self.terms["percent"]:
                if rule["product"] in (None, product):
                    rate += Fraction(rule["rate"]) * Fraction(weight, whole)
                    break
        return self.kept_goods() * rate / 100

    def due(self):
        """Returns what is due, by currency."""
        order, merchant = self.terms["currency"], self.terms["pays_in"]
        due = {}
        if self.void or self.snapshot is None:
            return due
        if self.terms["percent"]:
            share = self.share()
            if order != merchant and self.rate is not None:
                share *= self.rate * Fraction(10) ** (EXPONENTS[merchant] - EXPONENTS[order])
                order = merchant
            due[order] = nearest(share)
        if self.terms["per_sale"] is not None and not self.is_given_back():
            due[merchant] = due.get(merchant, 0) + minor(self.terms["per_sale"], merchant)
        if self.terms["at_most"] is not None and merchant in due:
            due[merchant] = min(due[merchant], minor(self.terms["at_most"], merchant))
        return due

    def is_given_back(self):
        """Returns whether the customer keeps nothing."""
        currency = self.terms["currency"]
        total = minor(self.snapshot["total"], currency)
        refunded = sum(minor(refund["total"], currency) for refund in self.refunds.values())
        goods = sum(minor(line, currency) for _, line in self.snapshot["lines"])
        return (self.kept_goods() == 0 and goods > 0) or (total > 0 and refunded >= total)

    def book(self):
        """Books the difference between what is due and what was booked before, and returns it."""
        due = self.due()
        changes = {}
        for currency in due.keys() | self.booked.keys():
            change = due.get(currency, 0) - self.booked.get(currency, 0)
            if change:
                changes[currency] = change
                self.booked[currency] = self.booked.get(currency, 0) + change
        return changes


def main():
    """Compares every order; prints one line of JSON."""
    operations = orders = differences = 0
    first, sums = None, {}
    for line in sys.stdin:
        case = json.loads(line)
        order = Order(case["terms"])
        orders += 1
        for operation, booked in zip(case["operations"], case["booked"], strict=True):
            operations += 1
            order.apply(operation)
            expected = order.book()
            for currency in expected.keys() | booked.keys():
                total = sums.setdefault(currency, [0, 0])
                total[0] += booked.get(currency, 0)
                total[1] += expected.get(currency, 0)
            if expected != booked:
                differences += 1
                first = first or f"order {orders}, {operation}: booked {booked}, expected {expected}"
            if min(order.booked.values(), default=0) < 0:
                raise ValueError(f"order {orders} is below zero")
    unbalanced = [currency for currency, (ours, exact) in sums.items() if ours != exact]
    report = {"operations": operations, "orders": orders, "currencies": len(sums), "differences": differences,
              "unbalanced": sorted(unbalanced), "first": first}
    print(json.dumps(report))


main()
