"""How the checks put sentences together: both languages at once, names from outside quoted.

It knows no check.
"""

from collections.abc import Sequence

from agent.words import Words, quote


def tell(template: Words, **values: Words | str) -> Words:
    """Fill the `{name}` places, each language with its own value; fill a template only once."""
    english = {name: value if isinstance(value, str) else value.en for name, value in values.items()}
    japanese = {name: value if isinstance(value, str) else value.ja for name, value in values.items()}
    return Words(template.en.format_map(english), template.ja.format_map(japanese))


def name_some(names: Sequence[str]) -> Words:
    """Name things from outside, at most `MOST_NAMED`, and count the rest."""
    shown, rest = [quote(name) for name in names[:MOST_NAMED]], len(names) - MOST_NAMED
    english, japanese = ", ".join(f"'{name}'" for name in shown), "".join(f"「{name}」" for name in shown)
    if rest <= 0:
        return Words(english, japanese)
    return Words(f"{english} and {rest} more", f"{japanese}ほか{rest}件")


# Sentences that every check says.
NOTHING_TO_DO = Words("Nothing needs to be done.", "対応は不要です。")
NOT_SEEN = Words("This could not be checked: {why}.", "確認できませんでした({why})。")
LOOK_AGAIN = Words(
    "Restart the computer and press Connect again; if it stays so, call {help_desk}.",
    "パソコンを再起動して、もう一度接続してください。続く場合は{help_desk}に連絡してください。",
)

# Our choices.
MOST_NAMED = 3
