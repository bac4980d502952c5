"""What is wrong with the input as a whole (a bad document is a row instead, see failures.py).

InputError                    refuse the job: a person corrects the spec or the input
|-- NoDocumentsError          nothing matched, or what matched holds no document
|-- MissingLocationError      the bucket, folder or file does not exist
|-- InputAccessError          the credentials or the permissions do not suffice
|-- UnsupportedSchemeError    no package here reads this kind of URL
|-- UnknownFieldError         no document has the field
`-- InputChangedError         stop the run: an object is not the one that was planned
InputUnavailableError         stop the attempt: reading failed in spite of retries; resume later
"""


class InputError(Exception):
    """A spec field, its value and the way out."""

    def __init__(self, field: str, wrong: str, value: str, remedy: str) -> None:
        super().__init__(field, wrong, value, remedy)
        self.field, self.wrong, self.value, self.remedy = field, wrong, value, remedy

    def __str__(self) -> str:
        return f"{self.field}: {self.wrong} ({self.value}): {self.remedy}"


class NoDocumentsError(InputError):
    """Nothing matched, or what matched holds no document."""


class MissingLocationError(InputError):
    """The bucket, folder or file does not exist."""


class InputAccessError(InputError):
    """The credentials or the permissions do not suffice."""


class UnsupportedSchemeError(InputError):
    """No package here reads this kind of URL."""


class UnknownFieldError(InputError):
    """No document has the field that the spec names."""


class InputChangedError(InputError):
    """An input object vanished or changed after the plan was made."""

    def __init__(self, uri: str, what: str) -> None:
        remedy = "restore it, or start a new run with another output and checkpoint"
        super().__init__("input.uri", f"{what} since the run was planned", uri, remedy)
        self._given = (uri, what)

    def __reduce__(self) -> tuple[type["InputChangedError"], tuple[str, str]]:
        return type(self), self._given


class InputUnavailableError(Exception):
    """Reading an input object failed in spite of retries."""

    def __init__(self, uri: str, cause: str) -> None:
        super().__init__(uri, cause)
        self.uri, self.cause = uri, cause

    def __str__(self) -> str:
        return f"{self.uri} could not be read in spite of retries: {self.cause}"
