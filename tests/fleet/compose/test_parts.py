"""The small parts one by one: variables, ports, volumes, sizes, secrets."""

from __future__ import annotations

import pytest

from sutazai.fleet.compose import convert
from sutazai.fleet.compose.interpolation import as_references, with_defaults
from sutazai.fleet.compose.ports import Published, parse_port
from sutazai.fleet.compose.quantities import (
    duration_text,
    parse_bytes,
    parse_cores,
    parse_seconds,
    size_text,
)
from sutazai.fleet.compose.secrecy import is_secret, is_secret_name, without_secrets
from sutazai.fleet.compose.volumes import Mount, parse_volume
from tests.fleet.compose.imports import fleet_of, imported, one, told


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("$VAR/x", "${VAR}/x"),
        ("${VAR}", "${VAR}"),
        ("a${VAR:-x}b", "a${VAR}b"),
        ("${VAR-}", "${VAR}"),
        ("${VAR:?must be set}", "${VAR}"),
        ("${A:-${B:-${C}}}", "${A}"),
        ("$$HOME $5 $", "$HOME $5 $"),
        ("$${HOME}", "$${HOME}"),
    ],
)
def test_variables_become_references(text: str, written: str) -> None:
    assert as_references(text).text == written


@pytest.mark.parametrize(
    "text", ["${", "${}", "${A", "${1}", "${A/x/y}", "${A:+b}", "$$$A", "${A!}"]
)
def test_what_no_reference_can_say_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        as_references(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("${TAG:-16}-alpine", "16-alpine"),
        ("${A:-${B:-c}}", "c"),
        ("${A:-${B}}", "${B}"),
        ("${TAG}", "${TAG}"),
        ("${DB_PASSWORD:-hunter2}", "${DB_PASSWORD}"),
        ("$$x", "$x"),
    ],
)
def test_defaults_take_the_place_of_variables_but_for_secrets(text: str, written: str) -> None:
    assert with_defaults(text).text == written


@pytest.mark.parametrize(
    ("value", "port"),
    [
        ("80", Published(80)),
        (80, Published(80)),
        ("8080:80", Published(80, 8080)),
        ("8080:80/udp", Published(80, 8080, protocol="udp")),
        ("127.0.0.1:8080:80", Published(80, 8080, host="127.0.0.1")),
        ("127.0.0.1::80", Published(80, host="127.0.0.1")),
        ("[::1]:8080:80", Published(80, 8080, host="::1")),
        ("3000-3002:4000-4002", Published(4000, 3000, count=3)),
        ("3000-3002:80", Published(80, 3000, count=3)),
        ({"target": 80, "published": "8080"}, Published(80, 8080)),
        ({"target": "80", "host_ip": "10.0.0.1", "protocol": "udp"},
         Published(80, host="10.0.0.1", protocol="udp")),
    ],
)  # fmt: skip
def test_ports(value: object, port: Published) -> None:
    assert parse_port(value) == port


@pytest.mark.parametrize(
    "value",
    ["", "a:b", "0:80", "80:0", "99999:80", "1-2:1-3", "2-1:80", "1:2:3:4", None, True, {}, 1.5, [],
     {"target": "x"}, {"target": True}],
)  # fmt: skip
def test_what_is_no_port(value: object) -> None:
    with pytest.raises(ValueError):
        parse_port(value)


@pytest.mark.parametrize(
    ("value", "mount"),
    [
        ("/data", Mount("volume", "", "/data")),
        ("data:/data", Mount("volume", "data", "/data")),
        ("./x:/data:ro", Mount("bind", "./x", "/data", "ro")),
        ("${DIR:-./x}:/data", Mount("bind", "${DIR:-./x}", "/data")),
        ({"type": "bind", "source": "./x", "target": "/y", "read_only": True},
         Mount("bind", "./x", "/y", "ro")),
        ({"type": "tmpfs", "target": "/y"}, Mount("tmpfs", "", "/y")),
    ],
)  # fmt: skip
def test_volumes(value: object, mount: Mount) -> None:
    assert parse_volume(value) == mount


@pytest.mark.parametrize("value", ["", ":", "a:", "a:b:c:d", 5, None, {}, {"target": 1}])
def test_what_is_no_volume(value: object) -> None:
    with pytest.raises(ValueError):
        parse_volume(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", "512MiB"), ("1.5G", "1536MiB"), ("2gb", "2GiB"), ("1GiB", "1GiB"), (1000, "1000B"),
     ("64k", "64KiB")],
)  # fmt: skip
def test_sizes_are_exact(text: object, size: str) -> None:
    assert size_text(parse_bytes(text)) == size


@pytest.mark.parametrize(
    ("text", "duration"),
    [("10s", "10s"), ("1m30s", "90s"), ("1.5s", "1500ms"), ("500ms", "500ms"), ("1h", "3600s")],
)
def test_durations_are_exact(text: str, duration: str) -> None:
    assert duration_text(parse_seconds(text)) == duration


@pytest.mark.parametrize("value", ["", "x", "10", "-5s", "1 m", None, True, [], {}])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError):
        parse_seconds(value)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "2000", "x", None, True, []])
def test_what_is_no_number_of_cores(value: object) -> None:
    with pytest.raises(ValueError):
        parse_cores(value)


@pytest.mark.parametrize(
    "name",
    ["POSTGRES_PASSWORD", "API_KEY", "jwt_secret", "NEO4J_AUTH", "HF_TOKEN", "DB_PASS", "key",
     "spring.datasource.password"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["MAX_TOKENS", "POSTGRES_USER", "POSTGRES_PASSWORD_FILE", "KEYCLOAK_URL", "MONKEY"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


def test_a_switch_is_no_secret() -> None:
    assert not is_secret("NEO4J_AUTH", "none")
    assert is_secret("NEO4J_AUTH", "neo4j/test")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["redis-server", "--requirepass", "s3"], ["redis-server", "--requirepass", "${V}"]),
        (["x", "--api-key=s3", "-v"], ["x", "--api-key=${V}", "-v"]),
        (["sh", "-c", "x --token s3 && y"], ["sh", "-c", "x --token ${V} && y"]),
        (["x", "http://u:s3@h/?a=b"], ["x", "http://u:${V}@h/?a=b"]),
        (["x", "--password", "$PASS"], ["x", "--password", "$PASS"]),
        (["x", "--key", "/etc/key.pem"], ["x", "--key", "/etc/key.pem"]),
        (["x", "--auth", "--fast"], ["x", "--auth", "--fast"]),
        ([], []),
    ],
)
def test_secrets_among_arguments(words: list[str], kept: list[str]) -> None:
    assert without_secrets(words, lambda what, secret: "V") == kept


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ("environment: {A: '${B:+c}'}", "`A` is left out: a fleet file has nothing like"),
        ("environment: {A: '${'}", "`A` is left out: a `${` is never closed"),
        ("environment: {A: [1]}", "a variable must be a text"),
        ("environment: ['a b']", "no name of a variable"),
        ("ports: ['a:b']", "this port is left out"),
        ("ports: ['${PORT}:80']", "resolves no variables here: PORT"),
        ("ports: ['10.0.0.1:80:80']", "this was bound to an address"),
        ("volumes: [5]", "this volume is left out"),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "hands Docker itself"),
        ("volumes: ['/run/podman/podman.sock:/x']", "hands Docker itself"),
        ("volumes: ['data:relative']", "this volume is left out"),
        ("volumes: [{type: tmpfs, target: /t}]", "a mount of type tmpfs"),
        ("volumes: ['./conf:/conf:ro,z']", "the mode z of this volume"),
        ("network_mode: 'service:db'", "`network_mode: service:db` is not carried over"),
        ("command: 'a \"b'", "a quote is never closed"),
        ("cpus: many", "this is left out: not a number of cores"),
        ("scale: 5000", "a service runs once, not 5000 times"),
        ("healthcheck: {test: curl http://localhost:99/, interval: often}", "not a duration"),
        ("healthcheck: {test: curl http://localhost:99/}", "not the unit's `port`"),
        ("secrets: [db]", "`secrets` is not carried over"),
        ("extends: {file: other.yml, service: x}", "`extends` of another file"),
        ("deploy: {placement: {constraints: [x]}}", "`deploy.placement` is not carried over"),
        ("deploy: {resources: {reservations: {devices: []}}}", "`resources.reservations.devices`"),
        ("build: .", "a fleet builds no images"),
        ("some_new_key: 1", "`some_new_key` is not carried over"),
    ],
)
def test_what_cannot_be_read_or_said_is_a_finding_and_never_stops_the_rest(
    keys: str, part: str
) -> None:
    result = imported(one(keys))

    assert [each for each in told(result) if each.startswith("2 ") and part in each], told(result)
    assert "app" in fleet_of(result).services


def test_an_ollama_at_the_gateways_own_port_makes_way() -> None:
    result = imported("services:\n  brain:\n    image: ollama/ollama\n    ports: ['10104:11434']\n")

    assert fleet_of(result).backends["brain"].url == "http://127.0.0.1:11434"
    assert any("belongs to SutazAI's gateway" in each for each in told(result))
    assert any("publish its port (11434:11434)" in each for each in told(result))


def test_of_two_model_servers_at_one_port_the_first_counts() -> None:
    text = (
        "x-ollama: &ollama {image: ollama/ollama, container_name: ollama, ports: ['11434:11434']}\n"
        "services:\n"
        "  ollama-cpu: {<<: *ollama, profiles: [cpu]}\n"
        "  ollama-gpu: {<<: *ollama, profiles: [gpu]}\n"
        "  pull: {image: ollama/ollama, entrypoint: /bin/sh, command: [-c, ollama pull x]}\n"
        "  ui: {image: ui, environment: {OLLAMA_API: 'http://ollama:11434/api/'}}\n"
    )

    result = imported(text)

    assert (result.backends, result.services) == (("ollama-cpu",), ("pull", "ui"))
    assert fleet_of(result).services["ui"].environment == {"OLLAMA_API": "{gateway}/api"}
    assert any("this LLM server is left out" in each for each in told(result))


def test_a_server_outside_of_the_file_is_to_be_declared() -> None:
    result = imported(one("environment: {OLLAMA_URL: 'http://gpu-box.lan:11434/v1'}"))

    assert fleet_of(result).services["app"].environment["OLLAMA_URL"] == "{gateway}/v1"
    assert any("declare that under `backends`" in each for each in told(result))


def test_a_check_may_ask_a_container_by_its_own_name() -> None:
    keys = "ports: ['80:80'], healthcheck: {test: [CMD, curl, 'http://app/well']}"

    assert fleet_of(imported(one(keys))).services["app"].health.path == "/well"


def test_hosts_are_found_in_defaults_too() -> None:
    text = (
        "services:\n"
        "  redis: {image: redis, mem_limit: 64m}\n"
        "  app: {image: x, mem_limit: 64m, environment: {REDIS_HOST: '${REDIS_HOST:-redis}'}}\n"
    )
    apart = text.replace("environment:", "network_mode: host, environment:")

    assert not any("host names" in each for each in told(imported(text)))
    assert any("host names: `redis`" in each for each in told(imported(apart)))


def test_what_a_container_sees_is_carried_over() -> None:
    text = one(
        "volumes: ['data:/data', './conf:/conf:ro', 'cache:/cache', '/scratch'], user: '1000',"
        " read_only: true, working_dir: /srv, entrypoint: [tini, --], expose: ['9000/tcp']"
    )
    app = fleet_of(
        imported(text + "volumes:\n  data:\n  cache: {name: warm, external: true}\n")
    ).services["app"]

    assert app.volumes == ("shop_data:/data", "./conf:/conf:ro", "warm:/cache", "/scratch")
    assert (app.user, app.read_only, app.directory) == ("1000", True, "/srv")
    assert (app.entrypoint, app.container_port) == (("tini", "--"), 9000)


def test_the_port_within_is_carried_over() -> None:
    agent = fleet_of(imported(one("ports: ['8101:8080']", "data-agent"))).agents["data-agent"]
    alike = fleet_of(imported(one("ports: ['80:80']"))).services["app"]

    assert (agent.port, agent.container_port) == (8101, 8080)
    assert (alike.port, alike.container_port) == (80, None)


def test_what_runs_already_can_be_taken_by_its_name() -> None:
    text = one("ports: ['8101:8080']", "data-agent") + "  db: {image: x, container_name: mine}\n"
    result = convert(text, file="compose.yml", project="shop", adopt=True)
    fleet = fleet_of(result)

    agent = fleet.agents["data-agent"]
    assert agent.container_name == "shop-data-agent-1"
    assert agent.port == fleet.ports.agents_first  # 8101 is the container's
    assert agent.container_port == 8080
    assert fleet.services["db"].container_name == "mine"


def test_one_secret_one_variable_and_another_secret_another() -> None:
    text = (
        "services:\n"
        "  a: {image: x, environment: {API_KEY: one, OTHER: '${TOKEN}'}}\n"
        "  b: {image: x, environment: {API_KEY: one}}\n"
        "  c: {image: x, environment: {API_KEY: two, TOKEN: three}}\n"
    )

    services = fleet_of(imported(text)).services

    assert services["a"].environment["API_KEY"] == "${API_KEY}"
    assert services["b"].environment["API_KEY"] == "${API_KEY}"
    assert services["c"].environment["API_KEY"] == "${C_API_KEY}"
    assert services["c"].environment["TOKEN"] == "${C_TOKEN}"
