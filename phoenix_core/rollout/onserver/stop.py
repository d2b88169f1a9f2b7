"""The one error of these files."""


class Stop(Exception):
    """Why it can't go on, and what to do."""

    def __init__(self, message: str, advice: str = "", code: str = "install_failed") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.code = code
