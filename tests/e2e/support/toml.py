"""Writes a configuration as TOML: sections of plain values, and `namespace` as a list of tables."""
import json


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    # A JSON string is a basic string of TOML.
    return json.dumps(str(value), ensure_ascii=True)


def _table(title, values):
    return [title] + [f"{key} = {_value(value)}" for key, value in values.items()] + [""]


def to_toml(config):
    lines = []
    for section, values in config.items():
        if isinstance(values, list):
            for row in values:
                lines += _table(f"[[{section}]]", row)
        else:
            lines += _table(f"[{section}]", values)
    return "\n".join(lines) + "\n"
