"""Studies that score an archive several times: ablation, stress, explanations, attention layers."""
