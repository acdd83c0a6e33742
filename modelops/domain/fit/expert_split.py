"""How the ranks of tensor and data parallel share a mixture's experts.

Source: `FusedMoEParallelConfig.make`, vllm/model_executor/layers/fused_moe/config.py (0.33).
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class ExpertSplit:
    """Each expert sliced over all ranks, or, by `enable_expert_parallel`, dealt out to them as a whole."""

    ranks: int = 1
    has_whole_experts: bool = False
    has_whole_shared: bool = False
    """Every rank holds the shared experts, too (`use_sequence_parallel_moe`, vllm/config/parallel.py:768)."""

    @staticmethod
    def make(*, tensor_parallel_size: int, data_parallel_size: int, is_whole: bool) -> "ExpertSplit":
        ranks = tensor_parallel_size * data_parallel_size
        has_both = tensor_parallel_size > 1 and data_parallel_size > 1
        return ExpertSplit(ranks, is_whole and ranks > 1, is_whole and has_both)

    @property
    def slices(self) -> int:
        """Parts that one expert is cut into."""
        return 1 if self.has_whole_experts else self.ranks

    def find_share(self, experts: int) -> Fraction:
        """Return the part of all experts that the fullest rank holds (`determine_expert_map`)."""
        if not self.has_whole_experts:
            return Fraction(1, self.ranks)
        return Fraction(-(-experts // self.ranks), experts)
