"""What libraries import and a server hardly ever uses: a third of the time that its start took."""

import importlib
import sys
import threading
from types import ModuleType


def spare() -> None:
    """Before they are imported: sparse matrices until a request holds one, and for good OpenVINO's
    converter, with the telemetry that comes with it."""
    sys.modules.setdefault("scipy.sparse", Late("scipy.sparse"))
    # OpenVINO is ready for that: `except ImportError`.
    sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment] # as Python's docs have it


class Late(ModuleType):
    """Stands in for a module until one of its attributes is asked for.

    importlib's LazyLoader loads at the second `import` of the module already.
    """

    _lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        with self._lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                importlib.import_module(self.__name__)
        return getattr(sys.modules[self.__name__], name)
