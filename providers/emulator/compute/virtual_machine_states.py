"""The states of virtual machines: running, stopped, deallocated, generalized; how they change, and how they are shown.

Source: the Compute REST specification of virtual machines (instance view; the actions of a machine).
"""

from __future__ import annotations

from reconciler.providers.emulator.compute.virtual_machine_disks import disks_of_machine, set_state
from reconciler.providers.emulator.core.arm import GROUP_COMPUTE, ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.async_operations import accepted
from reconciler.providers.emulator.core.resources import SUCCEEDED, UPDATING, not_busy, require, resource_id
from reconciler.providers.emulator.core.service import Handler, Route, Service
from reconciler.providers.emulator.core.store import Operation, Resource
from reconciler.providers.emulator.core.subscriptions import require_group

RUNNING, STOPPED, DEALLOCATED = "running", "stopped", "deallocated"
COLLECTION = "virtualMachines"
_PATH = f"{GROUP_COMPUTE}/{COLLECTION}/{{name}}"
_ACTION_S = 10.0


def machine_of(service: Service, request: ArmRequest) -> Resource:
    """The machine of a request. Raises: ArmError."""
    require_group(service, request)
    return require(service, resource_id(request, COLLECTION, request.params["name"]))


def instance_view(service: Service, machine: Resource) -> Body:
    """What is known of a machine at the moment."""
    word, power = machine.properties["provisioningState"].lower(), machine.hidden["power"]
    provisioning = _status(f"ProvisioningState/{word}", f"Provisioning {word}") | {"time": service.stamp()}
    statuses = [provisioning]
    if machine.hidden["generalized"]:
        statuses.append(_status("OSState/generalized", "VM generalized"))
    statuses.append(_status(f"PowerState/{power}", f"VM {power}"))
    named = [disk["name"] for disk in disks_of_machine(machine) if "name" in disk]
    view: Body = {"disks": [{"name": name, "statuses": [provisioning]} for name in named], "statuses": statuses}
    if machine.hidden["generation"]:
        view["hyperVGeneration"] = machine.hidden["generation"]
    return view


def _status(code: str, says: str) -> Body:
    return {"code": code, "level": "Info", "displayStatus": says}


def end_of_operation(service: Service, operation: Operation, machine: Resource) -> None:
    """The end of a write or an action: an action leaves the machine, and its disks, in another state."""
    machine.properties["provisioningState"] = SUCCEEDED
    power = operation.more.get("power")
    if power:
        machine.hidden["power"] = power
        set_state(service, machine, "Reserved" if power == DEALLOCATED else "Attached")


def _view(service: Service, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, instance_view(service, machine_of(service, request)))


def _generalize(service: Service, request: ArmRequest) -> ArmAnswer:
    """Answered at once; the machine has to be stopped first."""
    machine = machine_of(service, request)
    not_busy(service, machine)
    if machine.hidden["power"] == RUNNING:
        raise _not_allowed(f"The virtual machine '{machine.name}' is running: stop or deallocate it first.")
    machine.hidden["generalized"] = True
    service.store.put(machine)
    return ArmAnswer(200)


def _action(power: str) -> Handler:
    """The handler of an action that ends in a power state."""

    def act(service: Service, request: ArmRequest) -> ArmAnswer:
        machine = machine_of(service, request)
        not_busy(service, machine)
        if power == RUNNING and machine.hidden["generalized"]:
            raise _not_allowed(f"The virtual machine '{machine.name}' is generalized: it cannot be started again.")
        machine.properties["provisioningState"] = UPDATING
        service.store.put(machine)
        operation = service.start(request, machine, "update", _ACTION_S, power=power)
        return accepted(service, request, machine, operation, poll_s=_ACTION_S)

    return act


def _not_allowed(message: str) -> ArmError:
    return ArmError(409, "OperationNotAllowed", message)


ROUTES = (
    Route("GET", f"{_PATH}/instanceView", _view, "read instance view"),
    Route("POST", f"{_PATH}/generalize", _generalize, "generalize virtualMachine"),
    Route("POST", f"{_PATH}/deallocate", _action(DEALLOCATED), "deallocate virtualMachine", query=("hibernate",)),
    Route("POST", f"{_PATH}/powerOff", _action(STOPPED), "stop virtualMachine", query=("skipshutdown",)),
    Route("POST", f"{_PATH}/start", _action(RUNNING), "start virtualMachine"),
)
