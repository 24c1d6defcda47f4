"""English quantities: percentages, and numbers with a unit after them."""

import re

from stentor_tts.speakable.english.numbers import DASH, NUMBER, cardinal, number
from stentor_tts.speakable.reading import Match, Rule, final_stop, rule

_SIGNS = {
    "percent": "%|％",
    "per mille": "‰",
    "degree Celsius": "°C|℃|° C|ºC",
    "degree Fahrenheit": "°F|℉|° F|ºF",
    "degree": "°|º",
    "nanometer": "nm",
    "micrometer": "µm|μm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "kilometer": "km",
    "square millimeter": "mm²|mm2",
    "square centimeter": "cm²|cm2",
    "square meter": "m²|m2|sq m|sqm",
    "square kilometer": "km²|km2|sq km",
    "cubic centimeter": "cm³|cm3|cc",
    "cubic meter": "m³|m3",
    "hectare": "ha",
    "inch": "″|in.",
    "foot": "ft|ft.|′",
    "yard": "yd|yds",
    "mile": "mi",
    "nautical mile": "nmi",
    "square inch": "in²|sq in",
    "square foot": "ft²|ft2|sq ft|sqft",
    "square mile": "mi²|sq mi",
    "microgram": "µg|μg|mcg",
    "milligram": "mg",
    "gram": "g",
    "kilogram": "kg|kgs",
    "ounce": "oz|oz.",
    "pound": "lb|lbs|lb.|lbs.",
    "milliliter": "ml|mL",
    "centiliter": "cl|cL",
    "deciliter": "dl|dL",
    "liter": "l|L",
    "fluid ounce": "fl oz",
    "gallon": "gal|gal.",
    "teaspoon": "tsp",
    "tablespoon": "tbsp",
    "mile per hour": "mph",
    "kilometer per hour": "kph|kmh",
    "mile per gallon": "mpg",
    "meter per second squared": "m/s²|m/s2",
    "nanosecond": "ns",
    "microsecond": "µs|μs",
    "millisecond": "ms",
    "second": "s|sec|secs|sec.",
    "minute": "min|mins|min.",
    "hour": "h|hr|hrs|hr.|hrs.",
    "year": "yr|yrs",
    "hertz": "Hz",
    "kilohertz": "kHz|KHz",
    "megahertz": "MHz",
    "gigahertz": "GHz",
    "bit": "bit",
    "kilobyte": "kB|KB",
    "megabyte": "MB",
    "gigabyte": "GB",
    "terabyte": "TB",
    "petabyte": "PB",
    "kibibyte": "KiB",
    "mebibyte": "MiB",
    "gibibyte": "GiB",
    "tebibyte": "TiB",
    "kilobit per second": "kbps|kbit/s",
    "megabit per second": "Mbps|Mbit/s",
    "gigabit per second": "Gbps|Gbit/s",
    "milliwatt": "mW",
    "watt": "W",
    "kilowatt": "kW",
    "megawatt": "MW",
    "gigawatt": "GW",
    "watt hour": "Wh",
    "kilowatt hour": "kWh",
    "megawatt hour": "MWh",
    "millivolt": "mV",
    "volt": "V",
    "kilovolt": "kV",
    "milliampere": "mA",
    "milliampere hour": "mAh",
    "ohm": "Ω|ohm",
    "kiloohm": "kΩ",
    "joule": "J",
    "kilojoule": "kJ",
    "calorie": "cal",
    "kilocalorie": "kcal",
    "pascal": "Pa",
    "hectopascal": "hPa",
    "kilopascal": "kPa",
    "millibar": "mbar",
    "millimeter of mercury": "mmHg",
    "millimole": "mmol",
    "decibel": "dB",
    "pixel": "px",
    "megapixel": "MP",
    "percentage point": "pp",
    "part per million": "ppm",
    "frame per second": "fps",
    "R.P.M": "rpm|RPM",
    "P.S.I": "psi|PSI",
    "D.P.I": "dpi|DPI",
}
UNITS = {sign: name for name, signs in _SIGNS.items() for sign in signs.split("|")}
_NEVER_MANY = ("percent", "per mille", "R.P.M", "P.S.I", "D.P.I")
_IRREGULAR = (("foot", "feet"), ("inch", "inches"), ("hertz", "hertz"))
_HEAD = re.compile(r"( per | of )")


def many(name: str) -> str:
    """The plural of a unit: the word that counts gets it, as in miles per hour."""
    if name in _NEVER_MANY:
        return name
    if name.startswith("degree"):
        return name.replace("degree", "degrees", 1)
    head, between, rest = _HEAD.split(name, maxsplit=1) if _HEAD.search(name) else (name, "", "")
    for one, more in _IRREGULAR:
        if head.endswith(one):
            return f"{head.removesuffix(one)}{more}{between}{rest}"
    return f"{head}s{between}{rest}"


def quantity(value: str, unit: str) -> str:
    """Words of a number, signed or not, and its unit's sign."""
    name = UNITS[unit]
    return f"{number(value)} {name if value.lstrip('-−+') == '1' else many(name)}"


def _quantity(match: Match) -> str:
    value, last, unit, per = match["value"], match["last"], match["unit"], match["per"]
    said = f"{number(value)} to {quantity(last, unit)}" if last else quantity(value, unit)
    return f"{said} per {'day' if per == 'day' else UNITS[per]}" if per else said + final_stop(match)


def _height(match: Match) -> str:
    inches = int(match["inches"])
    return f"{cardinal(match['feet'])} {'foot' if match['feet'] == '1' else 'feet'} {cardinal(inches)}"


def rules() -> list[Rule]:
    signs = sorted(UNITS, key=len, reverse=True)
    unit = "|".join(re.escape(sign) for sign in signs)
    divisor = "|".join(
        ("s", "sec", "min", "h", "hr", "day", "m", "m²", "m³", "cm²", "L", "l", "ml", "mL", "dL", "kg")
    )
    return [
        rule(r"""(?<![\w.,])(?P<feet>\d{1,2})['′]\s?(?P<inches>\d{1,2})(?:"|″|'')(?!\w)""", _height),
        rule(
            rf"(?<![\w.,])(?P<value>[-−+±]?{NUMBER})(?:{DASH}(?P<last>{NUMBER}))?(?:\s|-)?"
            rf"(?P<unit>{unit})(?!\w)(?:/(?P<per>{divisor})(?!\w))?",
            _quantity,
        ),
    ]
