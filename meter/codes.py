"""Codes: currencies and time zones as people give them, and what is near to one that is none."""

from __future__ import annotations

from meter.errors import suggest

_OFTEN = "USD EUR CNY JPY GBP HKD TWD KRW SGD INR CAD AUD CHF"
_OTHERS = """
AED AFN ALL AMD ANG AOA ARS AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CDF CLP COP CRC CUP CVE
CZK DJF DKK DOP DZD EGP ERN ETB FJD FKP GEL GHS GIP GMD GNF GTQ GYD HNL HTG HUF IDR ILS IQD IRR ISK JMD JOD KES KGS KHR
KMF KPW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
TMT TND TOP TRY TTD TZS UAH UGX UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = (*_OFTEN.split(), *_OTHERS.split())
"""The codes of money that is in use, by ISO 4217; those that are meant most often stand first."""

_SAID = {
    "¥": "CNY",
    "RMB": "CNY",
    "CNH": "CNY",
    "YUAN": "CNY",
    "$": "USD",
    "DOLLAR": "USD",
    "DOLLARS": "USD",
    "USDT": "USD",
    "€": "EUR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "£": "GBP",
    "POUND": "GBP",
    "YEN": "JPY",
    "NTD": "TWD",
}
"""What money is called by those who do not know its code."""
_MEANT = {
    "beijing": "Asia/Shanghai",
    "shenzhen": "Asia/Shanghai",
    "guangzhou": "Asia/Shanghai",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "edt": "America/New_York",
}
"""Cities and abbreviations whose zone is named after another place."""


def currency(text: str) -> str | None:
    """Return the code of a currency, given in capitals or small letters; None for what is none."""
    code = text.strip().upper()
    return code if code in CURRENCIES else None


def near_currency(text: str) -> str:
    """Return ` Did you mean "USD"?` for what is nearly a code: a name of it, a wrong letter, two letters swapped."""
    code = text.strip().upper()
    near = _SAID.get(code) or next((known for known in CURRENCIES if _is_near(code, known)), None)
    return f' Did you mean "{near}"?' if near else ""


def _is_near(code: str, known: str) -> bool:
    if len(code) != len(known):
        return False
    return sorted(code) == sorted(known) or sum(a != b for a, b in zip(code, known, strict=True)) == 1


def near_zone(name: str) -> str:
    """Return ` Did you mean "Asia/Shanghai"?` for the zone of that city, else for the nearest name."""
    from zoneinfo import available_timezones

    names = sorted(available_timezones(), key=lambda known: (len(known.split("/")), known))
    whole = name.strip().replace(" ", "_").casefold()
    city = whole.rpartition("/")[2]
    if city in _MEANT:
        return f' Did you mean "{_MEANT[city]}"?'
    for known in names:
        if city and city == known.rpartition("/")[2].casefold():
            return f' Did you mean "{known}"?'
    return suggest(name, names)
