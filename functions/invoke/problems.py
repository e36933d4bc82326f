"""What can go wrong, as the caller is told it (RFC 9457)."""

from http import HTTPStatus


class Problem(Exception):
    """An answer other than 200: its status, and a sentence on what is wrong and how to mend it."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, object]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
