"""What the demos ask a model: an order that is written out, and the one that comes next."""

WRITTEN = """\
Order: 4 of ABC-1234 at $2.50
INVOICE
- ABC-1234 x4 @ $2.50 = $10.00
Subtotal: $10.00
Tax (8%): $0.80
Total: $10.80

"""
