"""The function's settings: strict defaults, and faults named before the first event."""

import pytest

from invoke.settings import Settings, SettingsError, load

ENDPOINT = {"KENNEL_ENDPOINT": "dogs"}


def test_the_defaults_are_strict() -> None:
    strict = Settings("dogs", (), frozenset({"https"}), frozenset({443}), (), ())
    assert load(ENDPOINT) == strict
    assert load({**ENDPOINT, "KENNEL_ALLOWED_HOSTS": " ", "PATH": "/bin"}) == strict


def test_each_variable_is_read() -> None:
    assert load(
        ENDPOINT
        | {
            "KENNEL_ALLOWED_HOSTS": "pictures.example, *.cdn.example",
            "KENNEL_ALLOW_HTTP": "true",
            "KENNEL_CORS_ORIGINS": "https://shop.example,http://localhost:3000",
            "KENNEL_S3_BUCKETS": "photos,more.photos",
        }
    ) == Settings(
        endpoint="dogs",
        hosts=("pictures.example", "*.cdn.example"),
        schemes=frozenset({"http", "https"}),
        ports=frozenset({80, 443}),
        origins=("https://shop.example", "http://localhost:3000"),
        buckets=("photos", "more.photos"),
    )
    assert load({**ENDPOINT, "KENNEL_PORTS": "443,8443"}).ports == {443, 8443}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "KENNEL_ENDPOINT is not set, and has no default"),
        ({"KENNEL_ENDPOINT": " "}, "KENNEL_ENDPOINT is not set, and has no default"),
        ({"KENNEL_ENDPOINT": "a/../b"}, "KENNEL_ENDPOINT is 'a/../b', which cannot be right"),
        ({**ENDPOINT, "KENNEL_ALLOW_HTTP": "yes"}, "KENNEL_ALLOW_HTTP is 'yes': it can be"),
        ({**ENDPOINT, "KENNEL_PORTS": "https"}, "KENNEL_PORTS holds 'https'"),
        ({**ENDPOINT, "KENNEL_PORTS": "0"}, "KENNEL_PORTS holds a number that is no port"),
        ({**ENDPOINT, "KENNEL_PORTS": "65536"}, "KENNEL_PORTS holds a number that is no port"),
        ({**ENDPOINT, "KENNEL_ALLOWED_HOSTS": "https://x"}, "KENNEL_ALLOWED_HOSTS holds"),
        ({**ENDPOINT, "KENNEL_ALLOWED_HOSTS": "*"}, r"KENNEL_ALLOWED_HOSTS holds '\*'"),
        ({**ENDPOINT, "KENNEL_CORS_ORIGINS": "https://x/"}, "KENNEL_CORS_ORIGINS holds"),
        ({**ENDPOINT, "KENNEL_S3_BUCKETS": "arn:aws:s3:::x"}, "KENNEL_S3_BUCKETS holds"),
        ({**ENDPOINT, "KENNEL_ALOWED_HOSTS": "x"}, "KENNEL_ALOWED_HOSTS is no setting"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(variables)
