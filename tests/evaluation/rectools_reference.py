"""Run by an interpreter that has RecTools: cases as JSON come in, its values go out."""

import json
import sys

import pandas as pd
from rectools import Columns
from rectools.metrics import (
    MAP,
    MRR,
    NDCG,
    CatalogCoverage,
    HitRate,
    IntraListDiversity,
    MeanInvUserFreq,
    Precision,
    Recall,
    Serendipity,
)
from rectools.metrics.distances import PairwiseHammingDistanceCalculator


def frame(pairs, *names):
    return pd.DataFrame(pairs, columns=list(names))


def values(series):
    return {str(user): float(value) for user, value in series.items()}


def case(given):
    k, items = given["k"], list(range(given["n_items"]))
    reco = frame(given["reco"], Columns.User, Columns.Item, Columns.Rank)
    truth = frame(given["truth"], Columns.User, Columns.Item)
    before = frame(given["before"], Columns.User, Columns.Item)
    categories = pd.DataFrame({"category": given["categories"]}, index=pd.Index(items))
    distance = PairwiseHammingDistanceCalculator(categories)
    found = {
        "precision": Precision(k=k).calc_per_user(reco, truth),
        "recall": Recall(k=given["recall_k"]).calc_per_user(reco, truth),
        "ndcg": NDCG(k=k, divide_by_achievable=True).calc_per_user(reco, truth),
        "map": MAP(k=k).calc_per_user(reco, truth),
        "mrr": MRR(k=k).calc_per_user(reco, truth),
        "hit_rate": HitRate(k=k).calc_per_user(reco, truth),
        "serendipity": Serendipity(k=k).calc_per_user(reco, truth, before, items),
        "novelty": MeanInvUserFreq(k=k).calc_per_user(reco, before),
        "diversity": IntraListDiversity(k=k, distance_calculator=distance).calc_per_user(reco),
    }
    out = {name: values(series) for name, series in found.items()}
    out["coverage"] = CatalogCoverage(k=k, normalize=True).calc(reco, items)
    return out


json.dump([case(each) for each in json.load(sys.stdin)], sys.stdout)
