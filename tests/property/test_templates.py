"""Translated templates, of any shape: nothing but the detectors, the alerts and the principal changes."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from anomalake.cloudformation.references import PARAMETER, References, imports
from anomalake.cloudformation.templates import translate_fragment, translate_template
from anomalake.definitions.cloudformation import ALERT_TYPE, CUSTOM_ALERT, CUSTOM_DETECTOR, DETECTOR_TYPE
from anomalake.definitions.document import read_document, tree_of

SERVICE = "lookoutmetrics.amazonaws.com"
ROLE = imports().role

names = st.from_regex(r"[A-Z][A-Za-z0-9]{0,6}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co")), max_size=12)
scalars = st.one_of(
    texts, st.integers(), st.booleans(), st.sampled_from(["NO", "007", "1e3", "2012-10-17", "# no", "a: b"])
)
functions = st.one_of(
    st.builds(lambda name: {"Ref": name}, names),
    st.builds(lambda name: {"Fn::GetAtt": [name, "Arn"]}, names),
    st.builds(lambda name: {"Fn::Sub": f"arn:${{{name}}}: x"}, names),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(names, inner, max_size=3),
        st.builds(lambda name, one, other: {"Fn::If": [name, one, other]}, names, inner, inner),
        st.builds(lambda parts: {"Fn::Join": ["", parts]}, st.lists(inner, max_size=3)),
    )


values = st.recursive(st.one_of(scalars, functions), containers, max_leaves=6)
some = st.dictionaries(names.filter(lambda name: name != "Principal"), values, max_size=3)


@st.composite
def detectors(draw: st.DrawFn) -> dict[str, Any]:
    properties = {"AnomalyDetectorConfig": draw(values)} | draw(
        st.fixed_dictionaries({}, optional={"AnomalyDetectorDescription": values, "KmsKeyArn": functions})
    )
    return {"Type": DETECTOR_TYPE, **draw(around), "Properties": properties}


@st.composite
def alerts(draw: st.DrawFn) -> dict[str, Any]:
    properties = {"Action": draw(values), "AnomalyDetectorArn": draw(functions), "AlertSensitivityThreshold": 3}
    return {"Properties": properties, **draw(around), "Type": ALERT_TYPE}


@st.composite
def roles(draw: st.DrawFn) -> dict[str, Any]:
    others = draw(st.lists(st.sampled_from(["lambda.amazonaws.com", "s3.amazonaws.com"]), max_size=2, unique=True))
    services = draw(st.permutations([SERVICE, *others]))
    service = SERVICE if not others and draw(st.booleans()) else services
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": draw(values)}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [statement]}}}


around = st.fixed_dictionaries({}, optional={"DependsOn": names, "Condition": names, "Metadata": some})
others = st.builds(lambda properties: {"Type": "AWS::S3::Bucket", "Properties": properties}, some)
templates = st.fixed_dictionaries(
    {"Resources": st.dictionaries(names, st.one_of(detectors(), alerts(), roles(), others), min_size=1, max_size=4)},
    optional={"Parameters": some, "Outputs": some, "Conditions": some, "Description": texts},
)


class Dumper(yaml.SafeDumper):
    """Writes the short forms of functions, where the random numbers say so."""

    random: random.Random

    def represent_dict(self, data: Any) -> yaml.Node:
        [[name, value], *more] = [*data.items()] or [["", None]]
        if not more and (name == "Ref" or name.startswith("Fn::")) and self.random.random() < 0.5:
            tag = f"!{name.removeprefix('Fn::')}"
            if isinstance(value, str):
                return self.represent_scalar(tag, value, self.random.choice(["", "'", '"']))
            return self.represent_sequence(tag, value)
        return self.represent_mapping("tag:yaml.org,2002:map", data)

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.add_representer(dict, Dumper.represent_dict)


def written(template: Any, numbers: random.Random) -> str:
    """The template as JSON, or as YAML with comments between its lines."""
    if numbers.random() < 0.3:
        return json.dumps(template, indent=numbers.choice([None, 0, 2, "\t"]), ensure_ascii=numbers.random() < 0.5)
    dumper = type("Numbered", (Dumper,), {"random": numbers})
    style = numbers.choice([None, False, False, True])
    text = yaml.dump(template, None, dumper, default_flow_style=style, sort_keys=False, width=10**5, allow_unicode=True)
    # A text that begins with a brace would be JSON.
    lines = ["# 0.0\n", *text.splitlines(keepends=True)]
    for place in sorted((1 + numbers.randrange(len(lines)) for _ in range(3)), reverse=True):
        lines.insert(place, f"{' ' * numbers.randrange(9)}# {numbers.random()}\n")
    return "".join(lines)


def without_additions(template: Any) -> Any:
    """A template with L4M's types and principal again, and without what a translation adds."""
    template = copy.deepcopy(template)
    template.get("Parameters", {}).pop(PARAMETER, None)
    if template.get("Parameters") == {}:
        del template["Parameters"]
    for resource in template["Resources"].values():
        for new, old in ((CUSTOM_DETECTOR, DETECTOR_TYPE), (CUSTOM_ALERT, ALERT_TYPE)):
            if resource["Type"] in (new, old):
                resource["Type"] = old
                resource["Properties"].pop("ServiceToken", None)
                resource["Properties"].pop("ServiceTimeout", None)
        for statement in resource["Properties"].get("AssumeRolePolicyDocument", {}).get("Statement", []):
            named = statement["Principal"]
            services = named.get("Service", [])
            services = [services] if isinstance(services, str) else services
            added = [SERVICE for one in [named.get("AWS")] if one in (ROLE, [ROLE])]
            statement["Principal"] = sorted(added + services)
    return template


@given(templates, st.randoms(use_true_random=False))
def test_a_translation_changes_nothing_else_and_is_done_once(template: dict[str, Any], numbers: random.Random) -> None:
    text = written(template, numbers)
    before = tree_of(read_document(text))
    assert before == tree_of(read_document(json.dumps(template)))
    body = translate_template(text.encode(), "t", imports())
    after = tree_of(read_document(body.decode()))
    assert without_additions(after) == without_additions(before)
    assert b"AWS::LookoutMetrics" not in body
    assert SERVICE.encode() not in body
    assert translate_template(body, "t", imports()) == body
    assert after == tree_of(read_document(json.dumps(translate_fragment(template, imports()))))
    comments = [line for line in text.splitlines() if line.lstrip().startswith("# 0.")]
    assert [line for line in body.decode().splitlines() if line.lstrip().startswith("# 0.")] == comments


@given(templates)
def test_a_fragment_is_not_changed_itself(template: dict[str, Any]) -> None:
    before = copy.deepcopy(template)
    after = translate_fragment(template, References("arn:function", "arn:role"))
    assert template == before
    assert translate_fragment(after, References("arn:function", "arn:role")) == after
    assert set(after) == set(before)
