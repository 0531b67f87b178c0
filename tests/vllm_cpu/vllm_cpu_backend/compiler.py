"""The compiler of the backend, which never compiles."""

import triton.backends.compiler as base


class Backend(base.BaseBackend):
    @staticmethod
    def supports_target(target):
        return getattr(target, "backend", None) == "cpu"

    def hash(self):
        return "cpu"

    def parse_options(self, options):
        raise RuntimeError("there is no compiler here: set TRITON_INTERPRET=1")

    def add_stages(self, stages, options, language=None):
        raise RuntimeError("there is no compiler here: set TRITON_INTERPRET=1")

    def load_dialects(self, context):
        pass

    def get_module_map(self):
        return {}
