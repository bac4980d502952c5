"""What can go wrong with a route before any document takes it; a person corrects it.

RouteError
|-- UnknownLossError     no loss goes by this name
|-- LossFunctionError    a user's loss function failed, or gave what is no loss
|-- UnusableSampleError  the sample does not hold what the promise is about
|-- CertificateError     a certificate cannot be read, or is for something else
`-- RouteRefusedError    the job asks for a cascade, and its own sample speaks against one
"""


class RouteError(Exception):
    """Base; the message names the field, the value and the way out."""


class UnknownLossError(RouteError):
    """No loss goes by this name."""


class LossFunctionError(RouteError):
    """A user's loss function failed, or gave what is no loss."""


class UnusableSampleError(RouteError):
    """The sample does not hold what the promise is about."""


class CertificateError(RouteError):
    """A certificate cannot be read, or is for something else."""


class RouteRefusedError(RouteError):
    """The job asks for a cascade, and its own sample speaks against one; the message says why."""
