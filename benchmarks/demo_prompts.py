"""What models are asked in `decode.py` and `ahead.py`."""

WRITTEN = """\
Order: 4 of ABC-1234 at $2.50
INVOICE
- ABC-1234 x4 @ $2.50 = $10.00
Subtotal: $10.00
Tax (8%): $0.80
Total: $10.80

"""
"""An order and its invoice, as another one is to be written."""

PROMPTS = {
    "arithmetic": (
        "What is 17 + 25?",
        "Tom earns $15 an hour and works 38 hours. How much does he earn?",
        "What is 8 * 37? Explain step by step.",
        "What is 250 - 75 - 36?",
        "Write five examples of addition with two-digit numbers, like 12 + 13 = 25.",
        "A box holds 24 pens. How many pens do 17 boxes hold? Show the multiplication.",
        "What is 144 / 6 + 19? Show each step.",
        "Write the table of seven, like 7 * 1 = 7.",
    ),
    "invoice": tuple(
        f"{WRITTEN}Order: {order}\n"
        for order in (
            "2 of XYZ-7000 at $15.00, 1 of DEF-5678 at $20.00",
            "3 of LMP-1001 at $12.50, 12 of CBL-2040 at $4.25, 2 of DSK-3300 at $189.00",
            "7 of PEN-0001 at $1.19",
            "1 of TAB-4400 at $349.99, 5 of CHR-1200 at $89.50",
        )
    ),
}
