CREATE TABLE tw_schema_history (
    revision VARCHAR(32) NOT NULL, 
    compatible_from VARCHAR(32) NOT NULL, 
    since VARCHAR(32) NOT NULL, 
    applied_at BIGINT NOT NULL, 
    PRIMARY KEY (revision)
);

CREATE TABLE tw_schema_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT tw_schema_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE tw_task (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
    tenant VARCHAR(200) NOT NULL, 
    kind VARCHAR(200) NOT NULL, 
    "key" VARCHAR(200) NOT NULL, 
    payload TEXT NOT NULL, 
    payload_version INTEGER NOT NULL, 
    priority SMALLINT NOT NULL, 
    schedule TEXT, 
    digest TEXT NOT NULL, 
    version INTEGER NOT NULL, 
    created_at BIGINT NOT NULL, 
    CONSTRAINT tw_task_key UNIQUE (tenant, kind, "key")
);

CREATE INDEX tw_task_page ON tw_task (tenant, id);

CREATE TABLE tw_edge (
    task_id BIGINT NOT NULL, 
    upstream_id BIGINT NOT NULL, 
    tenant VARCHAR(200) NOT NULL, 
    place INTEGER NOT NULL, 
    PRIMARY KEY (task_id, upstream_id)
);

CREATE INDEX tw_edge_upstream ON tw_edge (upstream_id);

CREATE TABLE tw_due (
    task_id BIGINT NOT NULL, 
    tenant VARCHAR(200) NOT NULL, 
    kind VARCHAR(200) NOT NULL, 
    lane_id BIGINT NOT NULL, 
    version INTEGER NOT NULL, 
    priority SMALLINT NOT NULL, 
    place SMALLINT NOT NULL, 
    ready_at BIGINT, 
    lease_until BIGINT, 
    token BIGINT NOT NULL, 
    epoch BIGINT NOT NULL, 
    state VARCHAR(12) NOT NULL, 
    rest VARCHAR(12) NOT NULL, 
    paused BOOLEAN NOT NULL, 
    urgent BOOLEAN NOT NULL, 
    moved BOOLEAN NOT NULL, 
    done_by_success BOOLEAN NOT NULL, 
    has_dependants BOOLEAN NOT NULL, 
    attempt INTEGER NOT NULL, 
    slot_at BIGINT, 
    next_run_at BIGINT, 
    decided_at BIGINT NOT NULL, 
    manual_at BIGINT, 
    asked_at BIGINT, 
    manual_slot BIGINT, 
    deferred_until BIGINT, 
    deferred_why TEXT NOT NULL, 
    runner VARCHAR(200), 
    held_at BIGINT, 
    claimed_at BIGINT, 
    last_token BIGINT NOT NULL, 
    succeeded_from BIGINT, 
    succeeded_at BIGINT, 
    phase VARCHAR(20) NOT NULL, 
    health TEXT NOT NULL, 
    memory TEXT NOT NULL, 
    plan_reason TEXT NOT NULL, 
    PRIMARY KEY (task_id)
);

CREATE INDEX tw_due_ready ON tw_due (kind, ready_at) WHERE ready_at IS NOT NULL;

CREATE INDEX tw_due_lane ON tw_due (lane_id, place, ready_at, task_id) WHERE ready_at IS NOT NULL;

CREATE INDEX tw_due_lease ON tw_due (lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE tw_lane (
    id INTEGER NOT NULL, 
    tenant VARCHAR(200) NOT NULL, 
    kind VARCHAR(200) NOT NULL, 
    turn_at BIGINT, 
    turn BIGINT NOT NULL, 
    activity_weight INTEGER, 
    activity_until BIGINT, 
    PRIMARY KEY (id), 
    CONSTRAINT tw_lane_key UNIQUE (tenant, kind)
);

CREATE INDEX tw_lane_turn ON tw_lane (kind, turn_at, turn);

CREATE TABLE tw_tenant (
    tenant VARCHAR(200) NOT NULL, 
    paused BOOLEAN NOT NULL, 
    weight INTEGER NOT NULL, 
    max_running INTEGER, 
    credit INTEGER NOT NULL, 
    activity_weight INTEGER, 
    activity_until BIGINT, 
    PRIMARY KEY (tenant)
);

CREATE TABLE tw_kind (
    kind VARCHAR(200) NOT NULL, 
    max_running INTEGER, 
    PRIMARY KEY (kind)
);

CREATE TABLE tw_run (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
    task_id BIGINT NOT NULL, 
    token BIGINT NOT NULL, 
    tenant VARCHAR(200) NOT NULL, 
    kind VARCHAR(200) NOT NULL, 
    "key" VARCHAR(200) NOT NULL, 
    attempt INTEGER NOT NULL, 
    "trigger" VARCHAR(12) NOT NULL, 
    slot_at BIGINT NOT NULL, 
    due_at BIGINT NOT NULL, 
    claimed_at BIGINT NOT NULL, 
    started_at BIGINT NOT NULL, 
    finished_at BIGINT NOT NULL, 
    ending VARCHAR(12) NOT NULL, 
    settled BOOLEAN NOT NULL, 
    coalesced BIGINT NOT NULL, 
    code VARCHAR(100) NOT NULL, 
    message TEXT NOT NULL, 
    result TEXT, 
    phase VARCHAR(20) NOT NULL, 
    next_run_at BIGINT, 
    why TEXT NOT NULL, 
    runner VARCHAR(200) NOT NULL, 
    counted BOOLEAN NOT NULL
);

CREATE UNIQUE INDEX tw_run_token ON tw_run (task_id, token);

CREATE INDEX tw_run_page ON tw_run (tenant, id);

CREATE TABLE tw_rollup (
    tenant VARCHAR(200) NOT NULL, 
    kind VARCHAR(200) NOT NULL, 
    hour BIGINT NOT NULL, 
    ending VARCHAR(20) NOT NULL, 
    code VARCHAR(100) NOT NULL, 
    runs BIGINT NOT NULL, 
    PRIMARY KEY (tenant, kind, hour, ending, code)
);

CREATE TABLE tw_change (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
    at BIGINT NOT NULL, 
    name VARCHAR(40) NOT NULL, 
    tenant VARCHAR(200) NOT NULL, 
    task_id BIGINT, 
    kind VARCHAR(200), 
    token BIGINT, 
    subject TEXT, 
    actor TEXT NOT NULL, 
    detail TEXT NOT NULL
);

CREATE INDEX tw_change_page ON tw_change (tenant, seq);

CREATE TABLE tw_incident (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
    tenant VARCHAR(200) NOT NULL, 
    "key" TEXT NOT NULL, 
    open_key VARCHAR(64), 
    code TEXT NOT NULL, 
    title TEXT NOT NULL, 
    level VARCHAR(12) NOT NULL, 
    opened_at BIGINT NOT NULL, 
    last_seen_at BIGINT NOT NULL, 
    sightings BIGINT NOT NULL, 
    task_ids TEXT NOT NULL, 
    resolved_at BIGINT, 
    CONSTRAINT tw_incident_open UNIQUE (tenant, open_key)
);

CREATE INDEX tw_incident_page ON tw_incident (tenant, id);

CREATE TABLE tw_runner (
    runner VARCHAR(200) NOT NULL, 
    host VARCHAR(255) NOT NULL, 
    pid BIGINT NOT NULL, 
    kinds TEXT NOT NULL, 
    started_at BIGINT NOT NULL, 
    seen_at BIGINT NOT NULL, 
    PRIMARY KEY (runner)
);

CREATE TABLE tw_life (
    id SMALLINT NOT NULL, 
    application VARCHAR(200) NOT NULL, 
    high_water BIGINT NOT NULL, 
    feed_floor BIGINT NOT NULL, 
    PRIMARY KEY (id)
);

INSERT INTO tw_schema_version (version_num) VALUES ('0001');

INSERT INTO tw_schema_history (revision, compatible_from, since, applied_at) VALUES ('0001', '0001', '0.1.0', 0);

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (1, 1767225600000000, 'task.created', 'alice', 1, 'site.check', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (2, 1767225600000000, 'task.created', 'alice', 2, 'site.check', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (3, 1767225600000000, 'task.created', 'bob''s ☕', 3, 'mail.send', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (4, 1767225660000000, 'run.finished', 'alice', 1, 'site.check', 1, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (5, 1767225660000000, 'run.finished', 'alice', 2, 'site.check', 1, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (6, 1767225660000000, 'run.finished', 'bob''s ☕', 3, 'mail.send', 1, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (7, 1767225660000000, 'incident.opened', 'alice', 2, 'site.check', NULL, '{"tenant":"alice","key":"down","code":"network_error.timeout","title":"It’s down","level":"warning","opened_at":1767225660000000,"sightings":1,"resolved_at":null,"last_seen_at":1767225660000000,"task_ids":"[\"task-2\"]"}', '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (8, 1767225660000000, 'task.created', 'bob''s ☕', 4, 'mail.send', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (9, 1767225660000000, 'task.paused', 'bob''s ☕', 4, 'mail.send', NULL, NULL, 'ann', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (10, 1767225660000000, 'task.created', 'alice', 5, 'site.check', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (11, 1767225660000000, 'task.created', 'alice', 6, 'site.check', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (12, 1767225660000000, 'task.created', 'alice', 7, 'site.check', NULL, NULL, '', '');

INSERT INTO tw_change (seq, at, name, tenant, task_id, kind, token, subject, actor, detail) VALUES (13, 1767225660000000, 'run.requested', 'bob''s ☕', 3, 'mail.send', NULL, NULL, 'ann', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (1, 'alice', 'site.check', 1, 1, 1, 1, 1767229260000000, NULL, 1, 0, 'scheduled', 'scheduled', 0, 0, 0, 1, 0, 1, 1767229260000000, 1767229260000000, 1767225660000000, NULL, NULL, NULL, NULL, '', NULL, 1767225600000000, NULL, 1, 1767225600000000, 1767225600000000, 'healthy', '{"k":1,"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (2, 'alice', 'site.check', 1, 1, 2, 2, 1767229260000000, NULL, 1, 0, 'scheduled', 'scheduled', 0, 0, 0, 0, 1, 2, 1767225600000000, 1767229260000000, 1767225660000000, NULL, NULL, NULL, NULL, '', NULL, 1767225600000000, NULL, 1, NULL, NULL, 'healthy', '{"k":1,"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (3, 'bob''s ☕', 'mail.send', 2, 1, 2, 2, 1767225660000000, NULL, 1, 0, 'done', 'scheduled', 0, 0, 0, 1, 0, 1, NULL, NULL, 1767225660000000, 1767225660000000, 1767225660000000, NULL, NULL, '', NULL, 1767225600000000, NULL, 1, 1767225600000000, 1767225600000000, 'healthy', '{"k":1,"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (4, 'bob''s ☕', 'mail.send', 2, 1, 2, 2, NULL, NULL, 0, 0, 'scheduled', 'scheduled', 1, 0, 0, 0, 0, 1, 1767225600000000, 1767225600000000, 1767225660000000, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, 0, NULL, NULL, 'healthy', '{"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (5, 'alice', 'site.check', 1, 1, 2, 2, NULL, 1767225720000000, 1, 0, 'running', 'scheduled', 0, 0, 0, 0, 0, 1, 1767225660000000, 1767225660000000, 1767225660000000, NULL, NULL, NULL, NULL, '', 'runner-1', 1767225660000000, 1767225660000000, 0, NULL, NULL, 'healthy', '{"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (6, 'alice', 'site.check', 1, 1, 2, 2, 1767225660000000, NULL, 0, 0, 'scheduled', 'scheduled', 0, 0, 0, 0, 0, 1, 1767225660000000, 1767225660000000, 1767225660000000, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, 0, NULL, NULL, 'healthy', '{"v":1}', '', '');

INSERT INTO tw_due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, lease_until, token, epoch, state, rest, paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, manual_at, asked_at, manual_slot, deferred_until, deferred_why, runner, held_at, claimed_at, last_token, succeeded_from, succeeded_at, phase, health, memory, plan_reason) VALUES (7, 'alice', 'site.check', 1, 1, 2, 2, NULL, NULL, 0, 0, 'blocked', 'scheduled', 0, 0, 0, 0, 0, 1, 1767225600000000, 1767225600000000, 1767225660000000, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, 0, NULL, NULL, 'healthy', '{"v":1}', '', '');

INSERT INTO tw_edge (task_id, upstream_id, tenant, place) VALUES (7, 2, 'alice', 0);

INSERT INTO tw_incident (id, tenant, "key", open_key, code, title, level, opened_at, last_seen_at, sightings, task_ids, resolved_at) VALUES (1, 'alice', 'down', 'f5723fe24df5382e08f591205922991aa8ba78130bea8e147263c4dc54635c1e', 'network_error.timeout', 'It’s down', 'warning', 1767225660000000, 1767225660000000, 1, '["task-2"]', NULL);

INSERT INTO tw_kind (kind, max_running) VALUES ('mail.send', 50);

INSERT INTO tw_lane (id, tenant, kind, turn_at, turn, activity_weight, activity_until) VALUES (1, 'alice', 'site.check', 1767225600000000, 0, NULL, NULL);

INSERT INTO tw_lane (id, tenant, kind, turn_at, turn, activity_weight, activity_until) VALUES (2, 'bob''s ☕', 'mail.send', 1767225600000000, 0, NULL, NULL);

INSERT INTO tw_life (id, application, high_water, feed_floor) VALUES (1, '', 1767225660000000, 0);

INSERT INTO tw_rollup (tenant, kind, hour, ending, code, runs) VALUES ('alice', 'site.check', 1767225600000000, 'failed', 'network_error.timeout', 1);

INSERT INTO tw_rollup (tenant, kind, hour, ending, code, runs) VALUES ('alice', 'site.check', 1767225600000000, 'succeeded', '', 1);

INSERT INTO tw_rollup (tenant, kind, hour, ending, code, runs) VALUES ('bob''s ☕', 'mail.send', 1767225600000000, 'succeeded', '', 1);

INSERT INTO tw_run (id, task_id, token, tenant, kind, "key", attempt, "trigger", slot_at, due_at, claimed_at, started_at, finished_at, ending, settled, coalesced, code, message, result, phase, next_run_at, why, runner, counted) VALUES (1, 1, 1, 'alice', 'site.check', 'home', 1, 'scheduled', 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 'succeeded', 1, 0, '', '', '{"status":200}', 'healthy', 1767229260000000, '', 'runner-1', 1);

INSERT INTO tw_run (id, task_id, token, tenant, kind, "key", attempt, "trigger", slot_at, due_at, claimed_at, started_at, finished_at, ending, settled, coalesced, code, message, result, phase, next_run_at, why, runner, counted) VALUES (2, 2, 1, 'alice', 'site.check', 'down', 1, 'scheduled', 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 'failed', 0, 0, 'network_error.timeout', 'no answer; ''quoted'' 100 %', NULL, 'healthy', 1767229260000000, '', 'runner-1', 1);

INSERT INTO tw_run (id, task_id, token, tenant, kind, "key", attempt, "trigger", slot_at, due_at, claimed_at, started_at, finished_at, ending, settled, coalesced, code, message, result, phase, next_run_at, why, runner, counted) VALUES (3, 3, 1, 'bob''s ☕', 'mail.send', 'over', 1, 'scheduled', 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 1767225600000000, 'succeeded', 1, 0, '', '', NULL, 'healthy', NULL, '', 'runner-1', 1);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (1, 'alice', 'site.check', 'home', '{"url":"https://example.org/%41?a=''b''&c=\"d\"","words":["naïve","日本","\\","a;\nb"]}', 1, 1, NULL, 'hourly', 1, 1767225600000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (2, 'alice', 'site.check', 'down', 'null', 1, 2, NULL, 'hourly', 1, 1767225600000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (3, 'bob''s ☕', 'mail.send', 'over', 'null', 1, 2, NULL, 'hourly', 1, 1767225600000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (4, 'bob''s ☕', 'mail.send', 'asleep', 'null', 1, 2, NULL, 'hourly', 1, 1767225660000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (5, 'alice', 'site.check', 'slow', 'null', 1, 2, NULL, 'hourly', 1, 1767225660000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (6, 'alice', 'site.check', 'new', 'null', 1, 2, NULL, 'hourly', 1, 1767225660000000);

INSERT INTO tw_task (id, tenant, kind, "key", payload, payload_version, priority, schedule, digest, version, created_at) VALUES (7, 'alice', 'site.check', 'after', 'null', 1, 2, NULL, 'hourly', 1, 1767225660000000);

INSERT INTO tw_tenant (tenant, paused, weight, max_running, credit, activity_weight, activity_until) VALUES ('bob''s ☕', 0, 3, 7, 0, NULL, NULL);

