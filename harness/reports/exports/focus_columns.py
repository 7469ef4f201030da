"""Columns of the FinOps Open Cost and Usage Specification 1.2 (https://focus.finops.org), as they are exported.

Every column of the specification is there, so that a validator asks for none; those of things that an interface to
language models does not sell (regions, reservations, commitments, resources) are empty. Own columns begin with `x_`.
"""

from __future__ import annotations

from harness.documents.table import Column

NOT_SOLD = "Empty: interfaces to language models sell none."


def _text(name: str, about: str) -> Column:
    return Column(name=name, description=about)


def _amount(name: str, about: str, unit: str = "USD") -> Column:
    return Column(name=name, kind="amount", unit=unit, description=about)


FOCUS: tuple[Column, ...] = (
    _text("AvailabilityZone", NOT_SOLD),
    _amount("BilledCost", "As the provider states, else at list price. Its sum is the cost of these runs."),
    _text("BillingAccountId", "Whom the requests went to."),
    _text("BillingAccountName", "Whom the requests went to."),
    _text("BillingAccountType", "`Provider`."),
    _text("BillingCurrency", "`USD`."),
    _text("BillingPeriodEnd", "First instant of the following month, UTC."),
    _text("BillingPeriodStart", "First instant of the month, UTC."),
    _text("CapacityReservationId", NOT_SOLD),
    _text("CapacityReservationStatus", NOT_SOLD),
    _text("ChargeCategory", "`Usage`; `Adjustment` = a cost that the provider states, where there is no list price."),
    _text("ChargeClass", "Empty: nothing here corrects an invoice."),
    _text("ChargeDescription", "Model and meter."),
    _text("ChargeFrequency", "`Usage-Based`."),
    _text("ChargePeriodEnd", "First instant of the following day, UTC."),
    _text("ChargePeriodStart", "First instant of the day on which the requests completed, UTC."),
    _text("CommitmentDiscountCategory", NOT_SOLD),
    _text("CommitmentDiscountId", NOT_SOLD),
    _text("CommitmentDiscountName", NOT_SOLD),
    _amount("CommitmentDiscountQuantity", NOT_SOLD, unit=""),
    _text("CommitmentDiscountStatus", NOT_SOLD),
    _text("CommitmentDiscountType", NOT_SOLD),
    _text("CommitmentDiscountUnit", NOT_SOLD),
    _amount("ConsumedQuantity", "Tokens, calls or images.", unit=""),
    _text("ConsumedUnit", "`Tokens`, `Calls`, `Images`, ..."),
    _amount("ContractedCost", "As `ListCost`: no negotiated prices are known."),
    _amount("ContractedUnitPrice", "As `ListUnitPrice`."),
    _amount("EffectiveCost", "As `BilledCost`."),
    _text("InvoiceId", "Empty: this is our own count, and no invoice."),
    _text("InvoiceIssuerName", "Whom the requests went to."),
    _amount("ListCost", "By the price book."),
    _amount("ListUnitPrice", "Exact rate of one unit."),
    _text("PricingCategory", "`Standard`."),
    _text("PricingCurrency", "`USD`."),
    _amount("PricingCurrencyContractedUnitPrice", "As `ListUnitPrice`."),
    _amount("PricingCurrencyEffectiveCost", "As `BilledCost`."),
    _amount("PricingCurrencyListUnitPrice", "As `ListUnitPrice`."),
    _amount("PricingQuantity", "As `ConsumedQuantity`.", unit=""),
    _text("PricingUnit", "As `ConsumedUnit`."),
    _text("ProviderName", "Whom the requests went to."),
    _text("PublisherName", "Whom the requests went to."),
    _text("RegionId", NOT_SOLD),
    _text("RegionName", NOT_SOLD),
    _text("ResourceId", NOT_SOLD),
    _text("ResourceName", NOT_SOLD),
    _text("ResourceType", NOT_SOLD),
    _text("ServiceCategory", "`AI and Machine Learning`."),
    _text("ServiceName", "The provider's interface."),
    _text("ServiceSubcategory", "`Generative AI`."),
    _text("SkuId", "`provider/model`, as served."),
    _text("SkuMeter", "Meter, as in `charges`."),
    Column(name="SkuPriceDetails", kind="json", description="Service tier."),
    _text("SkuPriceId", "Price row used with its start, tier and meter."),
    _text("SubAccountId", "Empty: a ledger knows of no accounts."),
    _text("SubAccountName", "Empty, likewise."),
    _text("SubAccountType", "Empty, likewise."),
    Column(name="Tags", kind="json", description="Run, suite, model setting and purpose."),
    _text("x_Model", "Model as asked for."),
    _text("x_ServiceTier", "Tier served, `batch` for batch requests; empty = not stated."),
    Column(name="x_AttemptCount", kind="integer", description="Attempts in this row; each is in one row per meter."),
)
"""In the order of the file."""
