#!/usr/bin/env python3
"""confusion-matrix against scikit-learn.

scikit.py make CASES SEED   writes cases as JSON lines: records and what scikit-learn computes from them (needs scikit-learn);
                             CASES 0: the real sets that come with it, classified by cross-validation
scikit.py check [FILE]      runs stook on such cases, in an empty folder, and compares to a relative 1e-12

tests/oracle/scikit.jsonl was written by `make 60 1` and `make 0 1`. Ratios with denominator 0, where scikit-learn gives 0, are null
here; its averages over classes are compared where every ratio is defined, and computed from its classes where not."""
import csv
import json
import math
import subprocess
import sys

RATIOS = ["precision", "recall", "f1", "fbeta"]


def number(v):
    return None if v is None or math.isnan(v) else float(v)


def divide(a, where):
    return [number(x) if w else None for x, w in zip(a, where)]


def mean(values, weights):
    pairs = [(v, w) for v, w in zip(values, weights) if v is not None]
    total = math.fsum(w for _, w in pairs)
    return math.fsum(v * w for v, w in pairs) / total if total else None


def labels_case(y, p, w, labels, beta):
    from sklearn import metrics as m

    w = w and [float(v) for v in w]  # with whole numbers its products overflow
    names = sorted(set(y) | set(p)) if labels is None else labels
    more = {"labels": names, "sample_weight": w}
    matrix = m.confusion_matrix(y, p, **more)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall, f1, _ = m.precision_recall_fscore_support(y, p, zero_division=0, **more)
    fbeta = m.fbeta_score(y, p, beta=beta, average=None, zero_division=0, **more)
    any_ = (support + predicted) > 0
    one = {
        "precision": divide(precision, predicted > 0),
        "recall": divide(recall, support > 0),
        "f1": divide(f1, any_),
        "fbeta": divide(fbeta, any_),
    }
    want = {"labels": names, "matrix": matrix.tolist(), "support": support.tolist(), "predicted": predicted.tolist()}
    want["ratios"] = one
    want["specificity"] = [
        number(m.recall_score([v != c for v in y], [v != c for v in p], sample_weight=w, zero_division=0))
        if support.sum() - s > 0 else None for c, s in zip(names, support)]
    for by, whole in (("true", support[:, None]), ("pred", predicted[None, :]), ("all", matrix.sum())):
        shares = m.confusion_matrix(y, p, normalize=by, **more)
        zero = (whole == 0) | (matrix < 0)
        want[by] = [[None if z else float(v) for v, z in zip(row, zeros)] for row, zeros in zip(shares, zero)]
    for name, average in (("macro", "macro"), ("weighted", "weighted")):
        weights = [1] * len(names) if name == "macro" else support.tolist()
        want[name] = {k: mean(one[k], weights) for k in RATIOS}
        if all(v is not None for k in RATIOS for v in one[k]):
            got = m.precision_recall_fscore_support(y, p, average=average, zero_division=0, **more)[:3]
            got += (m.fbeta_score(y, p, beta=beta, average=average, zero_division=0, **more),)
            want[name] = dict(zip(RATIOS, map(float, got)))
    want["micro"] = {"f1": number(m.f1_score(y, p, average="micro", zero_division=0, **more))}
    want["accuracy"] = number(m.accuracy_score(y, p, sample_weight=w))
    want["balanced_accuracy"] = mean(one["recall"], [1] * len(names))
    present = [n for n, s in zip(names, support) if s > 0]
    if len(present) == len(names):
        want["balanced_accuracy"] = number(m.balanced_accuracy_score(y, p, sample_weight=w))
    chance = float((support.astype(float) * predicted).sum()) == float(support.sum()) ** 2
    want["kappa"] = None if chance else number(m.cohen_kappa_score(y, p, sample_weight=w))
    flat = (support > 0).sum() < 2 or (predicted > 0).sum() < 2
    want["mcc"] = None if flat else number(m.matthews_corrcoef(y, p, sample_weight=w))
    return want


def scores_case(y, s, w, positive):
    from sklearn import metrics as m

    true = [v == positive for v in y]
    want = {"roc_auc": None, "average_precision": None}
    if any(true):
        want["average_precision"] = float(m.average_precision_score(true, s, sample_weight=w))
        if not all(true):
            want["roc_auc"] = float(m.roc_auc_score(true, s, sample_weight=w))
    return want


def random_labels(r):
    names = r.sample(["a", "b", "cat", "dog", "é", "日本", "x y", "", "A", "zebra", "007", "7"], r.choice([1, 2, 3, 5, 9]))
    names = [n for n in names if n] or ["a"]
    truths = r.sample(names, r.randint(1, len(names)))
    guesses = r.sample(names, r.randint(1, len(names)))
    right = r.random()
    y = [r.choice(truths) for _ in range(r.choice([1, 5, 40, 200]))]
    p = [v if r.random() < right and v in guesses else r.choice(guesses) for v in y]
    return y, p, r.choice([None, names])


def random_amounts(r, n, kind):
    if kind == "count":
        return [r.choice([1, 2, 3, 18, 1000, 123456]) for _ in range(n)]
    return [r.choice([0.1, 0.25, 1, 2.5, 3.75, 0.001, 40]) for _ in range(n)] if kind == "weight" else None


def random_case(r):
    kind = r.choice([None, "weight", "count"])
    if r.random() < 0.6:
        y, p, labels = random_labels(r)
        w = random_amounts(r, len(y), kind)
        beta = r.choice([0.5, 2, 1.3, 10])
        return {"kind": "labels", "amount": kind, "y": y, "p": p, "w": w, "order": labels, "beta": beta,
                "want": labels_case(y, p, w, labels, beta)}
    n = r.choice([1, 2, 10, 60, 300])
    y = [r.choice(["no", "yes"]) for _ in range(n)]
    if r.random() < 0.1:
        y = [y[0]] * n
    digits = r.choice([0, 1, 2, 12])
    s = [round(r.gauss(0.7 if v == "yes" else 0.3, 0.3), digits) for v in y]
    w = random_amounts(r, n, kind)
    return {"kind": "scores", "amount": kind, "y": y, "p": s, "w": w, "positive": "yes", "want": scores_case(y, s, w, "yes")}


def real_cases():
    from sklearn import datasets, linear_model, model_selection, neighbors, pipeline, preprocessing

    iris = datasets.load_iris()
    names = [str(n) for n in iris.target_names]
    p = model_selection.cross_val_predict(neighbors.KNeighborsClassifier(7), iris.data[:, :2], iris.target, cv=5)
    y, p = [names[i] for i in iris.target], [names[i] for i in p]
    yield {"kind": "labels", "amount": None, "y": y, "p": p, "w": None, "order": None, "beta": 2,
           "want": labels_case(y, p, None, None, 2)}
    cancer = datasets.load_breast_cancer()
    model = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    s = model_selection.cross_val_predict(model, cancer.data[:, :4], cancer.target, cv=5, method="predict_proba")[:, 1]
    y, s = [str(cancer.target_names[i]) for i in cancer.target], [round(float(v), 4) for v in s]
    yield {"kind": "scores", "amount": None, "y": y, "p": s, "w": None, "positive": "benign",
           "want": scores_case(y, s, None, "benign")}


def make(cases, seed):
    import random
    import warnings

    warnings.simplefilter("ignore")
    r = random.Random(seed)
    for case in [random_case(r) for _ in range(cases)] if cases else real_cases():
        print(json.dumps(case, ensure_ascii=False, separators=(",", ":")))


def stook(case, *more):
    args = ["stook", "confusion-matrix", "--true", "y", "in.csv", "-q"]
    args += ["--pred", "p", "--beta", str(case["beta"])] if case["kind"] == "labels" else ["--score", "p", "--positive", "yes"]
    if case["kind"] == "scores":
        args[-1] = case["positive"]
    if case["amount"]:
        args += ["--" + case["amount"], "w"]
    if case.get("order"):
        args += ["--labels", ",".join(case["order"])]
    return json.loads(subprocess.run([*args, *more, "--to", "json"], check=True, capture_output=True, text=True).stdout)


def close(got, want):
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(close, got, want))
    if want is None or got is None or isinstance(want, str):
        return got == want
    return abs(got - want) <= 1e-12 * max(1, abs(want))


def compare(case, got):
    want = case["want"]
    if case["kind"] == "scores":
        return {k: (got[k], want[k]) for k in want if not close(got[k], want[k])}
    pairs = {k: (got[k], want[k]) for k in ("labels", "matrix", "accuracy", "balanced_accuracy", "kappa", "mcc")}
    for k in ("support", "predicted", "specificity"):
        pairs[k] = ([c[k] for c in got["classes"]], want[k])
    for k in RATIOS:
        pairs[k] = ([c[k] for c in got["classes"]], want["ratios"][k])
    for average in ("macro", "weighted", "micro"):
        for k, v in want[average].items():
            pairs[average + " " + k] = (got[average][k], v)
    for by in ("true", "pred", "all"):
        pairs["normalize " + by] = (stook(case, "--normalize", by)["normalized"], want[by])
    return {k: v for k, v in pairs.items() if not close(*v)}


def check(lines):
    count = failed = 0
    for line in lines:
        case = json.loads(line)
        with open("in.csv", "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(["y", "p", "w"])
            out.writerows(zip(case["y"], case["p"], case["w"] or [1] * len(case["y"])))
        wrong = compare(case, stook(case))
        count += 1
        failed += bool(wrong)
        for name, (got, want) in wrong.items():
            print(f"case {count}: {name} is {got}, not {want}")
    print(f"{count} cases, {failed} differ")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 4:
        make(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["check"] and len(sys.argv) <= 3:
        sys.exit(check(open(sys.argv[2], encoding="utf-8") if len(sys.argv) == 3 else sys.stdin))
    else:
        sys.exit(__doc__)
