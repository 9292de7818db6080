"""The states of virtual machines: running, stopped, deallocated, generalized; how they change and are shown.

Source: the Compute REST specification of virtual machines (instance view, actions).
"""

from __future__ import annotations

from reconciler.providers.emulator.compute.virtual_machine_disks import disks_of_vm, set_state
from reconciler.providers.emulator.core.arm import GROUP_COMPUTE, ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.async_operations import accepted
from reconciler.providers.emulator.core.resources import SUCCEEDED, UPDATING, not_busy, require, resource_id
from reconciler.providers.emulator.core.service import Handler, Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.core.subscriptions import require_group

RUNNING, STOPPED, DEALLOCATED = "running", "stopped", "deallocated"
COLLECTION = "virtualMachines"
_PATH = f"{GROUP_COMPUTE}/{COLLECTION}/{{name}}"
_ACTION_S = 10.0


def vm_of(service: Service, request: ArmRequest) -> Resource:
    """The virtual machine of a request. Raises: ArmError."""
    require_group(service, request)
    return require(service, resource_id(request, COLLECTION, request.params["name"]))


def instance_view(service: Service, vm: Resource) -> Body:
    """The present state of a virtual machine."""
    state, power = vm.properties["provisioningState"].lower(), vm.hidden["power"]
    provisioning = _status(f"ProvisioningState/{state}", f"Provisioning {state}") | {"time": service.stamp()}
    statuses = [provisioning]
    if vm.hidden["generalized"]:
        statuses.append(_status("OSState/generalized", "VM generalized"))
    statuses.append(_status(f"PowerState/{power}", f"VM {power}"))
    named = [disk["name"] for disk in disks_of_vm(vm) if "name" in disk]
    view: Body = {"disks": [{"name": name, "statuses": [provisioning]} for name in named], "statuses": statuses}
    if vm.hidden["generation"]:
        view["hyperVGeneration"] = vm.hidden["generation"]
    return view


def _status(code: str, text: str) -> Body:
    return {"code": code, "level": "Info", "displayStatus": text}


def end_of_operation(service: Service, operation: AsyncOperation, vm: Resource) -> None:
    """Ends a write or an action; an action changes the power state, and with it the state of the disks."""
    vm.properties["provisioningState"] = SUCCEEDED
    power = operation.more.get("power")
    if power:
        vm.hidden["power"] = power
        set_state(service, vm, "Reserved" if power == DEALLOCATED else "Attached")


def _view(service: Service, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, instance_view(service, vm_of(service, request)))


def _generalize(service: Service, request: ArmRequest) -> ArmAnswer:
    """Answers immediately; the virtual machine has to be stopped first."""
    vm = vm_of(service, request)
    not_busy(service, vm)
    if vm.hidden["power"] == RUNNING:
        raise _not_allowed(f"The virtual machine '{vm.name}' is running: stop or deallocate it first.")
    vm.hidden["generalized"] = True
    service.store.put(vm)
    return ArmAnswer(200)


def _action(power: str) -> Handler:
    """The handler of an action that ends in a power state."""

    def act(service: Service, request: ArmRequest) -> ArmAnswer:
        vm = vm_of(service, request)
        not_busy(service, vm)
        if power == RUNNING and vm.hidden["generalized"]:
            raise _not_allowed(f"The virtual machine '{vm.name}' is generalized: it cannot be started again.")
        vm.properties["provisioningState"] = UPDATING
        service.store.put(vm)
        operation = service.start(request, vm, "update", _ACTION_S, power=power)
        return accepted(service, request, vm, operation, poll_s=_ACTION_S)

    return act


def _not_allowed(message: str) -> ArmError:
    return ArmError(409, "OperationNotAllowed", message)


HANDLERS = Handlers(
    (
        Route("GET", f"{_PATH}/instanceView", _view, "read instance view"),
        Route("POST", f"{_PATH}/generalize", _generalize, "generalize virtualMachine"),
        Route("POST", f"{_PATH}/deallocate", _action(DEALLOCATED), "deallocate virtualMachine", query=("hibernate",)),
        Route("POST", f"{_PATH}/powerOff", _action(STOPPED), "stop virtualMachine", query=("skipshutdown",)),
        Route("POST", f"{_PATH}/start", _action(RUNNING), "start virtualMachine"),
    ),
)
