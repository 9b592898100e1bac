"""Scaling on the agents' capacity figures: what the alarms decide, and that nothing else in the stack is in the way."""

import functools
import json
import re
import unittest

import template
from resolved import Resolved

ON = {"CapacityScaling": "true", "TaskCpu": 250, "TaskMemory": 400}
# ContainerCapacity, IdleHostCapacity, TasksPerHost, instances that report, instances in service: action. The cluster's
# sums over hosts; each host's part is in the agent's own tests.
OUT, IN, STAY = "out", "in", None
EXAMPLES = {
    "empty": (2, 1, 2, 1, 1, STAY),
    "half full": (1, 0.5, 2, 1, 1, STAY),
    "full": (0, 0, 2, 1, 1, OUT),
    "half full, and an empty one": (3, 1.5, 2, 2, 2, IN),
    "two half full": (2, 1, 2, 2, 2, STAY),
    "CPU is left, memory is not": (0, 0, 2, 2, 2, OUT),
    "the port is taken on both": (0, 0, 1, 2, 2, OUT),
    "CPU on one, memory on the other": (0, 0, 4, 2, 2, OUT),
    "room in parts": (2, 0.375, 4, 2, 2, STAY),
    "one is draining": (1, 0.5, 2, 1, 2, STAY),
    "an empty one is disconnected": (1, 0.5, 2, 1, 2, STAY),
    "the port is taken on two of three": (1, 1, 1, 3, 3, STAY),
    "a small one and a large one": (4, 1.25, 8, 2, 2, STAY),
    "three half full": (3, 0.6, 2, 3, 3, STAY),
    "fragments, and three with room for one": (3, 1.5, 2, 4, 4, IN),
    "rounded down to a thousandth": (4, 1.332, 3, 4, 4, IN),
    "network interfaces": (1, 1, 1, 2, 2, STAY),
    "network interfaces are used up": (0, 0, 2, 1, 1, OUT),
    "trunking": (6, 0.75, 8, 1, 1, STAY),
    "the task fits no instance": (0, 0, 0, 1, 1, STAY),
    "the port is reserved": (0, 0, 0, 1, 1, STAY),
}


def evaluate(expression, **metrics):
    """CloudWatch's metric math, as far as the alarms use it."""
    functions = {"IF": lambda condition, then, otherwise: then if condition else otherwise}
    functions["FILL"] = lambda value, missing: missing if value is None else value
    return eval(expression.replace(" AND ", " and "), {"__builtins__": {}}, {**functions, **metrics})


class Alarms(unittest.TestCase):
    def alarm(self, name, **parameters):
        return Resolved(**{**ON, **parameters})[name]

    @functools.cache
    def expression(self, name, **parameters):
        (math,) = [metric for metric in self.alarm(name, **parameters)["Metrics"] if "Expression" in metric]
        self.assertIs(math["ReturnData"], True)
        return math["Expression"]

    def action(self, figures, reserve=1, desired=None, pending=0, terminating=0):
        c, i, t, n, s = figures
        desired = s if desired is None else desired
        more = {"desired": desired, "pending": pending, "terminating": terminating}
        out = evaluate(self.expression("ScaleOutAlarm", CapacityReserve=reserve), c=c, t=t)
        back = evaluate(self.expression("ScaleInAlarm", CapacityReserve=reserve), c=c, i=i, t=t, n=n, s=s, **more)
        self.assertFalse(out and back, figures)
        return OUT if out else IN if back else STAY

    def test_worked_examples(self):
        for what, (*figures, expected) in EXAMPLES.items():
            self.assertEqual(self.action(figures), expected, what)

    def test_reserve(self):
        # What a reserve of one would take away is kept, and not added again.
        figures = (3, 1.5, 2, 2, 2)
        self.assertEqual(self.action(figures, reserve=1), IN)
        self.assertEqual(self.action(figures, reserve=2), STAY)
        self.assertEqual(self.action(figures, reserve=3), STAY)
        self.assertEqual(self.action(figures, reserve=4), OUT)
        for reserve in range(1, 6):
            for c in range(12):
                for t in range(1, 5):
                    before = self.action((c, 2, t, 3, 3), reserve)
                    after = self.action((c - t, 2, t, 2, 2), reserve)
                    self.assertFalse(before == IN and after == OUT, (reserve, c, t))

    def test_scales_in_only_while_nothing_else_goes_on(self):
        figures = (40, 20, 2, 20, 20)
        self.assertEqual(self.action(figures), IN)
        for disturbed in ({"pending": 1}, {"terminating": 1}, {"desired": 21}, {"desired": 19}):
            self.assertEqual(self.action(figures, **disturbed), STAY, disturbed)
        # One in twenty may be late; more than are in service is a sample counted twice.
        self.assertEqual(self.action((40, 20, 2, 19, 20)), IN)
        self.assertEqual(self.action((40, 20, 2, 18, 20)), STAY)
        self.assertEqual(self.action((40, 20, 2, 21, 20)), STAY)

    def test_people_hear_of_silent_instances(self):
        expression = self.expression("SilentInstancesAlarm")
        self.assertEqual(evaluate(expression, n=3, s=3), 0)
        self.assertEqual(evaluate(expression, n=2, s=3), 1)
        self.assertEqual(evaluate(expression, n=None, s=3), 1)
        alarm = self.alarm("SilentInstancesAlarm")
        self.assertEqual((alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]), (10, 10))
        self.assertNotIn("AlarmActions", alarm)
        topic = "arn:aws:sns:us-east-1:123456789012:people"
        self.assertEqual(self.alarm("SilentInstancesAlarm", AlarmTopicArn=topic)["AlarmActions"], [topic])

    def test_how_long(self):
        for name, of, all_of, policy in (("ScaleOutAlarm", "2", "2", "Out"), ("ScaleInAlarm", "14", "15", "In")):
            alarm = self.alarm(name)
            self.assertEqual((alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]), (of, all_of), name)
            self.assertEqual(alarm["AlarmActions"], [f"<Scale{policy}Policy>"])
        out, back = self.alarm("ScaleOutPolicy"), self.alarm("ScaleInPolicy")
        self.assertEqual((out["PolicyType"], out["EstimatedInstanceWarmup"]), ("StepScaling", "300"))
        self.assertEqual(out["StepAdjustments"], [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}])
        # Only a simple policy has a cooldown, and without one, -1 repeats each minute while the data lag.
        self.assertEqual((back["PolicyType"], back["Cooldown"]), ("SimpleScaling", "600"))
        self.assertEqual(back["ScalingAdjustment"], -1)

    def test_every_alarm(self):
        for name in ("ScaleOutAlarm", "ScaleInAlarm", "SilentInstancesAlarm"):
            alarm = self.alarm(name)
            self.assertEqual((alarm["Threshold"], alarm["ComparisonOperator"]), (1, "GreaterThanOrEqualToThreshold"))
            self.assertEqual(alarm["TreatMissingData"], "notBreaching", name)
            expression = self.expression(name)
            used = set(re.findall(r"\b[a-z]+\b", expression))
            measured = {metric["Id"] for metric in alarm["Metrics"] if "MetricStat" in metric}
            self.assertEqual(used, measured, name)
            for metric in alarm["Metrics"]:
                if "MetricStat" in metric:
                    self.assert_metric(metric)

    def assert_metric(self, metric):
        self.assertIs(metric["ReturnData"], False)
        stat = metric["MetricStat"]
        self.assertEqual(stat["Period"], 60)
        group = {"Name": "AutoScalingGroupName", "Value": "<AutoScalingGroup>"}
        cluster = {"Name": "ClusterName", "Value": "<Cluster>"}
        meaning = {
            "c": ("Sum", "ContainerCapacity"),
            "i": ("Sum", "IdleHostCapacity"),
            "t": ("Maximum", "TasksPerHost"),
            "n": ("SampleCount", "TasksPerHost"),
            "s": ("Maximum", "GroupInServiceInstances"),
            "desired": ("Maximum", "GroupDesiredCapacity"),
            "pending": ("Maximum", "GroupPendingInstances"),
            "terminating": ("Maximum", "GroupTerminatingInstances"),
        }
        self.assertEqual((stat["Stat"], stat["Metric"]["MetricName"]), meaning[metric["Id"]])
        if stat["Metric"]["Namespace"] == "AWS/AutoScaling":
            self.assertEqual(stat["Metric"]["Dimensions"], [group])
        else:
            self.assertEqual(stat["Metric"]["Namespace"], namespace())
            self.assertEqual(stat["Metric"]["Dimensions"], [cluster, group])


def namespace():
    """As the agent has it."""
    source = (template.ROOT / "src" / "effects" / "emf.rs").read_text()
    return re.search(r'NAMESPACE: &str = "(\w+)"', source)[1]


class Stack(unittest.TestCase):
    SCALING = {"ScaleOutPolicy", "ScaleInPolicy", "ScaleOutAlarm", "ScaleInAlarm", "SilentInstancesAlarm"}
    METRICS = {"MetricsLogGroup", "Dashboard"}

    def optional(self, **parameters):
        return (self.SCALING | self.METRICS | {"ClusterCapacityProvider"}) & set(Resolved(**parameters).resources)

    def test_off_unless_asked_for(self):
        self.assertEqual(self.optional(), set())
        self.assertEqual(self.optional(DrainMetrics="true"), self.METRICS)
        self.assertEqual(self.optional(**ON), self.METRICS | self.SCALING)

    def test_never_beside_a_capacity_provider(self):
        self.assertEqual(self.optional(**ON, CapacityProvider="true"), {"ClusterCapacityProvider"})

    def test_rules(self):
        def refused(**parameters):
            return len(Resolved(**parameters).broken_rules())

        self.assertEqual(refused(), 0)
        self.assertEqual(refused(**ON), 0)
        self.assertEqual(refused(CapacityProvider="true"), 0)
        self.assertEqual(refused(**ON, CapacityProvider="true"), 1)
        self.assertEqual(refused(**ON, LogShipping="false"), 1)
        self.assertEqual(refused(DrainMetrics="true", LogShipping="false"), 1)
        self.assertEqual(refused(CapacityScaling="true"), 1)
        self.assertEqual(refused(CapacityScaling="true", TaskPorts="80/tcp"), 0)
        self.assertEqual(refused(**ON, TaskAwsvpc="true"), 1)
        self.assertEqual(refused(**ON, TaskAwsvpc="true", TaskEnis=2), 0)
        self.assertEqual(refused(**ON, TaskEnis=2), 1)
        self.assertEqual(refused(**ON, TaskAwsvpc="true", TaskEnis=2, TaskPorts="80/tcp"), 1)

    def widgets(self, **parameters):
        # JSON, whatever was put into it.
        return json.loads(Resolved(**parameters)["Dashboard"]["DashboardBody"])["widgets"]

    def test_dashboard(self):
        def metrics(widgets):
            return {name for name in re.findall(r'"([A-Z]\w+)"', json.dumps(widgets))}

        drains = {"Drains", "DrainsTimedOut", "DrainDuration", "TasksWaitedFor"}
        capacity = {"ContainerCapacity", "IdleHostCapacity", "TasksPerHost"}
        shown = metrics(self.widgets(DrainMetrics="true"))
        self.assertLessEqual(drains | {namespace()}, shown)
        self.assertEqual(shown & capacity, set())
        widgets = self.widgets(**ON)
        self.assertLessEqual(drains | capacity, metrics(widgets))
        (alarms,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
        self.assertEqual(alarms, ["<ScaleOutAlarm.Arn>", "<ScaleInAlarm.Arn>", "<SilentInstancesAlarm.Arn>"])
        source = (template.ROOT / "src" / "effects" / "emf.rs").read_text()
        for name in drains:
            self.assertIn(f'"{name}"', source)

    def test_records_go_to_a_log_group_of_the_stack(self):
        resolved = Resolved(**ON, MetricsRetention=30)
        self.assertEqual(resolved["MetricsLogGroup"], {"RetentionInDays": "30"})
        # It is there before the first agent writes.
        self.assertIn("<MetricsLogGroup>", resolved["LaunchTemplate"]["LaunchTemplateData"]["UserData"])


if __name__ == "__main__":
    unittest.main()
