"""A Triton backend that only exists: kernels run in Triton's interpreter.

With it vLLM's CPU build takes Model Runner V2. The two functions are vLLM plugins.
"""

import os


def mend_interpreter() -> None:
    """Fill two gaps of Triton's interpreter that vLLM's kernels fall into."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        return
    import numpy as np
    from triton.runtime.interpreter import InterpreterBuilder as Builder

    if getattr(Builder, "_mended", False):
        return
    Builder._mended = True

    def boolean(mask):
        # A scalar i1 and a tensor of i1 come out as int8 or int32.
        if mask is not None and mask.data.dtype != np.bool_:
            mask.data = mask.data.astype(np.bool_)
        return mask

    store, load = Builder.create_masked_store, Builder.create_masked_load
    Builder.create_masked_store = lambda self, pointer, value, mask, *rest, **more: store(
        self, pointer, value, boolean(mask), *rest, **more
    )
    Builder.create_masked_load = lambda self, pointer, mask, *rest, **more: load(
        self, pointer, boolean(mask), *rest, **more
    )

    # Its kernel calls `.to` on a plain int, which the interpreter lacks; torch does as well.
    import vllm.v1.sample.ops.topk_topp_sampler as sampler

    sampler.HAS_TRITON = False


def keep_async_scheduling() -> None:
    """Leave asynchronous scheduling on where it is asked for; the CPU platform turns it off."""
    if os.environ.get("RULEC_TEST_ASYNC") != "1":
        return
    from vllm.platforms.cpu import CpuPlatform

    if getattr(CpuPlatform, "_keeps_async", False):
        return
    CpuPlatform._keeps_async = True
    given = CpuPlatform.check_and_update_config.__func__

    def check(cls, vllm_config):
        asked = vllm_config.scheduler_config.async_scheduling
        given(cls, vllm_config)
        vllm_config.scheduler_config.async_scheduling = asked

    CpuPlatform.check_and_update_config = classmethod(check)
