"""What a registration comes to: its inputs as the provider wants them, and what differs."""

from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine import paths, plan
from rehearsal.engine.model import Goal, Kind, PropertyChange, ResourceState, Severity
from rehearsal.engine.plan import Difference
from rehearsal.engine.standing import RefusedError, Standing, Task
from rehearsal.engine.urn import is_provider_type, split_reference
from rehearsal.engine.values import Properties


class Decider:
    """Asks providers, and changes nothing."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._run = standing.run

    async def check(self, task: Task) -> None:
        """Settle the inputs: what is ignored stays as it was, the provider adds its defaults."""
        old = task.old
        compared = old if old is not None and not old.pending_replacement else None
        inputs = task.new.inputs
        if compared is not None and task.goal.ignore_changes:
            inputs = paths.keep_old(inputs, compared.inputs, task.goal.ignore_changes)
        task.new.inputs = await self.checked_inputs(
            task, compared.inputs if compared is not None else {}, inputs
        )

    async def checked_inputs(self, task: Task, old: Properties, inputs: Properties) -> Properties:
        """Return the inputs as the provider wants them.

        Raises:
            RefusedError: the provider refuses them.
        """
        if is_provider_type(task.goal.type):
            instance = self._run.pool.make(task.goal.type)
            self._standing.checked[task.urn] = instance
            inputs, failures = await instance.check_config(
                task.urn, old, _with_version(inputs, task.goal)
            )
        elif task.provider is not None:
            inputs, failures = await task.provider.check(task.urn, old, inputs)
        else:
            return inputs
        if failures:
            listed = "; ".join(
                f"{one.property}: {one.reason}" if one.property else one.reason for one in failures
            )
            message = f"{task.goal.type} {task.goal.name!r} is refused: {listed}"
            raise RefusedError(message)
        return inputs

    async def difference(self, task: Task, old: ResourceState) -> Difference:
        """Return what differs between a resource and what is asked of it."""
        ignored = list(task.goal.ignore_changes)
        if await self._provider_moved(task, old):
            change = PropertyChange(
                "provider", Kind.UPDATE, old.provider, task.new.provider, replaces=True
            )
            return Difference((change,), differs=True, replaces=True)
        if self._standing.replaced.intersection(task.goal.replace_with):
            return Difference(differs=True, replaces=True)
        if is_provider_type(task.goal.type):
            difference = await self._standing.checked[task.urn].diff_config(old, task.new.inputs)
        elif task.provider is None:
            return plan.structural(old.inputs, task.new.inputs)
        else:
            difference = await task.provider.diff(old, task.new.inputs, ignored)
        difference = plan.with_replace_on_changes(difference, task.goal.replace_on_changes)
        return self._with_init_errors(task, old, difference)

    def _with_init_errors(
        self, task: Task, old: ResourceState, difference: Difference
    ) -> Difference:
        if old.init_errors:
            # Otherwise an update without any difference would be a riddle.
            reasons = "; ".join(old.init_errors)
            message = f"an earlier run left it not as asked, so it is tried again: {reasons}"
            self._run.report.say(Severity.INFO, message, task.urn)
        return plan.with_init_errors(difference, old, task.goal.replace_on_changes)

    async def _provider_moved(self, task: Task, old: ResourceState) -> bool:
        """Return whether the resource has come to a provider that is not its old one's heir."""
        before, after = old.provider, task.new.provider
        if before == after:
            return False
        if not before or not after:
            return True
        before_urn, _ = split_reference(before)
        after_urn, _ = split_reference(after)
        if self._standing.was.get(after_urn) == before_urn:
            return False
        old_provider = self._standing.old.get(before_urn)
        new_provider = self._standing.news.get(after_urn)
        if old_provider is None or new_provider is None:
            return True
        instance = await self._run.pool.get(after)
        return (await instance.diff_config(old_provider, new_provider.inputs)).replaces


def _with_version(inputs: Properties, goal: Goal) -> Properties:
    """Return a provider's inputs with the version as the genuine engine notes it."""
    if not goal.version and not goal.download_url:
        return inputs
    internal: Properties = {}
    if goal.download_url:
        internal["pluginDownloadURL"] = PropertyValue(goal.download_url)
    noted = {**inputs, "__internal": PropertyValue(internal)}
    if goal.version:
        noted["version"] = PropertyValue(goal.version)
    return noted
