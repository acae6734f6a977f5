"""What the tests of the command share: a network that trains in a moment, and an environment of their own."""
import os

NETWORK = """\
schema: sextant/network@1
name: tiny
source: made for this test
vocabulary: 256
layers: 2
model_dim: 32
heads: 4
kv_heads: 4
head_dim: 8
rope_theta: 10000
expert_kind: swiglu
expert_hidden_dim: 32
num_experts: 4
top_k: 2
capacity_factor: 2.0
aux_loss_coefficient: 0.01
"""


def clean_environment():
    """Without the variables of a launcher that this test may run under."""
    prefixes = ("OMPI_", "PMIX_", "PMI_", "SLURM_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return environment
