"""Calls one function of a module with arguments in JSON, as a plugin runner does.

With a daemon of your own:

    stint run --entry shipping --entry-args '[3.5]' --entry-kwargs '{"country":"NZ"}' examples/entry.py
"""
# stint: --entry shipping --entry-args '[3.5]' --entry-kwargs '{"country":"NZ","express":true}'

RATES = {"DE": 4.0, "NZ": 19.0}


def shipping(weight_kg, country="DE", express=False):
    print(f"asked for {weight_kg} kg to {country}")
    price = RATES[country] + 1.2 * weight_kg
    return {"price": round(price * (1.5 if express else 1), 2), "days": 2 if express else 6}
