"""Turns JSON into JSON: `orders` is set from outside, `totals` and `best` are handed back.

The options are in the comments below, which quickstart reads; with a daemon of your own:

    stint run --input 'orders=[{"item":"pen","price":1.5,"count":4}]' --output totals --output best \
        examples/transform.py
"""
# stint: --input 'orders=[{"item":"pen","price":1.5,"count":4},{"item":"book","price":12,"count":2}]'
# stint: --input 'vat=0.19' --output totals --output best

totals = {order["item"]: round(order["price"] * order["count"] * (1 + vat), 2) for order in orders}
best = max(totals, key=totals.get)
print(f"{len(orders)} orders, {best} brings most")
