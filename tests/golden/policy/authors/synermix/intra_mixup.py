"""Excerpt of main.py, wxitxy/synermix@e2848d50f1ed876105c26a14656dd9c36312a400, unchanged (MIT, see LICENSE)."""

import torch


def intra_mixup(features, labels):
    syn_features, syn_labels = [], []
    unique_labels = labels.unique()

    for label in unique_labels:
        mask = labels == label
        class_specific_features = features[mask]
        if len(class_specific_features) > 0:
            weights = torch.rand(len(class_specific_features), device=features.device)
            weights /= weights.sum()
            syn_feature = (class_specific_features * weights.unsqueeze(-1)).sum(dim=0)
            syn_features.append(syn_feature)
            syn_labels.append(label.item())

    syn_features = torch.stack(syn_features)
    syn_labels = torch.tensor(syn_labels, dtype=torch.long, device=features.device)
    return syn_features, syn_labels
