"""The template as CloudFormation would see it with given parameters: conditions decided, functions applied.

Attributes of resources become themselves in angle brackets, as they are not known before there is a stack.
"""

import functools
import re

import template

PSEUDO = {
    "AWS::StackName": "fleet",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/fleet/guid",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
}
NOTHING = object()


class Resolved:
    def __init__(self, **given):
        self.template = template.load()
        unknown = set(given) - set(self.template["Parameters"])
        if unknown:
            raise KeyError(f"no such parameters: {unknown}")
        self._values = {**PSEUDO, "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"]}
        for name, parameter in self.template["Parameters"].items():
            value = given.get(name, parameter.get("Default"))
            if value is None:
                continue
            self._values[name] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else str(value)
        self.resources = {
            name: self.value(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    def __getitem__(self, name):
        return self.resources[name]["Properties"]

    @functools.cache
    def holds(self, condition):
        return self.value(self.template["Conditions"][condition])

    def broken_rules(self):
        """What an update with these parameters is refused for."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self.value(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.value(assertion["Assert"])
        ]

    def value(self, written):
        if isinstance(written, list):
            return [value for value in map(self.value, written) if value is not NOTHING]
        if not isinstance(written, dict):
            return written
        if len(written) == 1:
            ((name, argument),) = written.items()
            function = getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return function(argument)
        values = {key: self.value(inner) for key, inner in written.items() if key != "Condition" or isinstance(inner, dict)}
        return {key: value for key, value in values.items() if value is not NOTHING}

    def _ref(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        return self._values.get(name, f"<{name}>")

    def _condition(self, name):
        # In a policy's statement the word means something else.
        return self.holds(name) if isinstance(name, str) else {"Condition": self.value(name)}

    def _getatt(self, path):
        return f"<{'.'.join(path)}>"

    def _if(self, argument):
        condition, then, otherwise = argument
        return self.value(then if self.holds(condition) else otherwise)

    def _equals(self, argument):
        first, second = self.value(argument)
        return str(first) == str(second)

    def _not(self, argument):
        return not self.value(argument)[0]

    def _and(self, argument):
        return all(self.value(argument))

    def _or(self, argument):
        return any(self.value(argument))

    def _join(self, argument):
        separator, values = argument
        return separator.join(map(str, self.value(values)))

    def _split(self, argument):
        separator, value = argument
        return self.value(value).split(separator)

    def _findinmap(self, argument):
        first, second, third = (self.value(key) for key in argument)
        return self.template["Mappings"][first][second][third]

    def _base64(self, argument):
        # As it is read on the instance.
        return self.value(argument)

    def _sub(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})

        def one(match):
            name = match[1]
            if name in own:
                return str(self.value(own[name]))
            return str(self._getatt(name.split(".")) if "." in name else self._ref(name))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", one, text)
