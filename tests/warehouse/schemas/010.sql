-- The tables of version 10 with a row in each, as its program made them. Never edited.

CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL);
INSERT INTO schema_versions VALUES (10, TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00');

CREATE TABLE archives (
    archive_id VARCHAR NOT NULL,
    root VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (archive_id)
);
INSERT INTO archives VALUES (
    'archive',
    '/images',
    'images',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE entries (
    image_id VARCHAR NOT NULL,
    archive_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    mask_path VARCHAR,
    reference_path VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    captured_at TIMESTAMPTZ,
    seen_at TIMESTAMPTZ NOT NULL,
    ctime_ns BIGINT,
    inode BIGINT,
    serial VARCHAR,
    lot VARCHAR,
    tile STRUCT(content VARCHAR, x0 BIGINT, y0 BIGINT, x1 BIGINT, y1 BIGINT),
    PRIMARY KEY (image_id)
);
INSERT INTO entries VALUES (
    'image-0',
    'archive',
    'bottle/test/000.png',
    '0000000000000000000000000000000000000000000000000000000000000000',
    1000,
    0,
    'drawn',
    'bottle',
    'defective',
    'crack',
    NULL,
    NULL,
    NULL,
    NULL,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
);

CREATE TABLE measures (
    content VARCHAR NOT NULL,
    width BIGINT,
    height BIGINT,
    white DOUBLE,
    brightness DOUBLE,
    contrast DOUBLE,
    sharpness DOUBLE,
    clipped_bright DOUBLE,
    clipped_dark DOUBLE,
    colour DOUBLE,
    red DOUBLE,
    green DOUBLE,
    blue DOUBLE,
    fill DOUBLE,
    centre_x DOUBLE,
    centre_y DOUBLE
);
INSERT INTO measures VALUES (
    'text',
    1,
    1,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5
);

CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,
    archive_id VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    demo BOOLEAN NOT NULL,
    settings VARCHAR NOT NULL,
    knowledge_version VARCHAR,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    state VARCHAR NOT NULL CHECK (state IN ('running', 'finished', 'stopped', 'failed', 'cancelled')),
    message VARCHAR,
    planned BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    invalid BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    host VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    versions VARCHAR NOT NULL,
    timings STRUCT(load DOUBLE, vision DOUBLE, prefill DOUBLE, loop DOUBLE, answer DOUBLE, write DOUBLE) NOT NULL,
    evaluator VARCHAR NOT NULL,
    evaluator_version VARCHAR NOT NULL,
    capabilities STRUCT(probabilities BOOLEAN, attention BOOLEAN, latents BOOLEAN, text BOOLEAN) NOT NULL,
    question_set VARCHAR NOT NULL,
    subtasks STRUCT(name VARCHAR, short VARCHAR, kind VARCHAR, scorer VARCHAR, detects BOOLEAN, about VARCHAR)[] NOT NULL,
    embedding_scale DOUBLE,
    purpose VARCHAR NOT NULL CHECK (purpose IN ('score', 'night', 'rescore', 'golden', 'gate', 'ablation', 'stress', 'explain', 'import')),
    passed_over STRUCT(unit VARCHAR, count BIGINT, reason VARCHAR, example VARCHAR)[],
    PRIMARY KEY (run_id)
);
INSERT INTO runs VALUES (
    '20250103T220005123Z-a1b2c3d4',
    'a1b2c3d4',
    'plan',
    'archive',
    'embedded',
    true,
    '{"method": {"iterations": 10}}',
    NULL,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL,
    'running',
    NULL,
    10,
    1,
    0,
    0,
    'here',
    'cpu',
    '{}',
    {'load': 0.0, 'vision': 0.0, 'prefill': 0.0, 'loop': 0.0, 'answer': 0.0, 'write': 0.0},
    'segments',
    '',
    {'probabilities': true, 'attention': true, 'latents': true, 'text': true},
    'mmad',
    [{'name': 'Anomaly Detection', 'short': 'detection', 'kind': 'yes/no', 'scorer': 'key', 'detects': true, 'about': 'defect'}, {'name': 'Defect Classification', 'short': 'classification', 'kind': 'choice', 'scorer': 'key', 'detects': false, 'about': 'defect type'}, {'name': 'Defect Localization', 'short': 'localization', 'kind': 'region', 'scorer': 'key', 'detects': false, 'about': 'defect'}, {'name': 'Defect Description', 'short': 'description', 'kind': 'choice', 'scorer': 'key', 'detects': false, 'about': 'defect'}, {'name': 'Defect Analysis', 'short': 'analysis', 'kind': 'choice', 'scorer': 'key', 'detects': false, 'about': 'defect'}, {'name': 'Object Classification', 'short': 'object class', 'kind': 'choice', 'scorer': 'key', 'detects': false, 'about': 'object'}, {'name': 'Object Analysis', 'short': 'object analysis', 'kind': 'choice', 'scorer': 'key', 'detects': false, 'about': 'object'}],
    NULL,
    'score',
    NULL
);

CREATE TABLE run_notes (
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    tags VARCHAR[] NOT NULL,
    hidden BOOLEAN NOT NULL,
    author VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO run_notes VALUES (
    'text',
    'text',
    'text',
    ['text'],
    true,
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE predictions (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    captured_at TIMESTAMPTZ,
    question_id VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    options STRUCT(letter VARCHAR, text VARCHAR)[] NOT NULL,
    conditional BOOLEAN NOT NULL,
    reference_path VARCHAR,
    answer VARCHAR,
    correct_answer VARCHAR,
    status VARCHAR NOT NULL CHECK (status IN ('answered', 'invalid', 'failed')),
    error VARCHAR,
    initial_option_probabilities MAP(VARCHAR, DOUBLE) NOT NULL,
    option_probabilities MAP(VARCHAR, DOUBLE) NOT NULL,
    entropy DOUBLE[] NOT NULL,
    token_entropy DOUBLE[][] NOT NULL,
    reward DOUBLE[] NOT NULL,
    best_iteration BIGINT,
    descriptions STRUCT(description_id VARCHAR, revision BIGINT, rank BIGINT, score DOUBLE, dataset VARCHAR, product VARCHAR, entry VARCHAR)[] NOT NULL,
    knowledge_dropped BIGINT NOT NULL,
    knowledge_cut BOOLEAN NOT NULL,
    raw_text VARCHAR,
    rationale VARCHAR,
    seconds DOUBLE NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    claims VARCHAR[],
    evidence_id VARCHAR,
    oddity VARCHAR,
    failure VARCHAR CHECK (failure IN ('vanished', 'replaced', 'permission denied', 'disk error', 'empty', 'not an image', 'unsupported', 'truncated', 'damaged', 'too large', 'out of memory', 'poison', 'encoder refused', 'source failed', 'does not fit', 'not finite', 'device out of memory', 'model failed', 'unknown')),
    no_defect VARCHAR[],
    evidence STRUCT(source VARCHAR, version VARCHAR, words VARCHAR, regions STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)[], score DOUBLE)[],
    cluster_id VARCHAR,
    lot VARCHAR
);
INSERT INTO predictions VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'bottle/test/000.png',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'drawn',
    'bottle',
    'good',
    NULL,
    NULL,
    NULL,
    NULL,
    'c78e97b6fa62d72c843654721de74ceb',
    'Anomaly Detection',
    'Is there any defect in the object?',
    [{'letter': 'A', 'text': 'Yes.'}, {'letter': 'B', 'text': 'No.'}],
    false,
    NULL,
    'B',
    'B',
    'answered',
    NULL,
    MAP {'A': 0.4, 'B': 0.6},
    MAP {'A': 0.125, 'B': 0.875},
    [1.5, 1.25, 1.0],
    [[1.0, 2.0], [1.0, 1.5], [1.0, 1.0]],
    [-0.5, -0.25, 0.0],
    2,
    [{'description_id': 'drawn/bottle/crack', 'revision': 1, 'rank': 1, 'score': 0.5, 'dataset': 'drawn', 'product': 'bottle', 'entry': 'crack'}],
    0,
    false,
    NULL,
    NULL,
    0.25,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    ['defective', 'good'],
    '281522b66337e8aa1f83658c1d64d037',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
);

CREATE TABLE patches (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    iteration BIGINT NOT NULL,
    row BIGINT NOT NULL,
    col BIGINT NOT NULL,
    x0 DOUBLE NOT NULL,
    y0 DOUBLE NOT NULL,
    x1 DOUBLE NOT NULL,
    y1 DOUBLE NOT NULL,
    score DOUBLE NOT NULL,
    accepted BOOLEAN NOT NULL
);
INSERT INTO patches VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'c78e97b6fa62d72c843654721de74ceb',
    1,
    2,
    3,
    0.0,
    1.0,
    28.0,
    29.0,
    0.5,
    true
);

CREATE TABLE groundings (
    run_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    patches_hit BOOLEAN,
    patches_chance DOUBLE,
    region_hit BOOLEAN,
    region_chance DOUBLE,
    changed BOOLEAN,
    changed_elsewhere BOOLEAN
);
INSERT INTO groundings VALUES (
    'text',
    'text',
    'text',
    true,
    0.5,
    true,
    0.5,
    true,
    true
);

CREATE TABLE comparisons (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    score DOUBLE NOT NULL,
    rank BIGINT,
    normals BIGINT NOT NULL,
    threshold DOUBLE,
    claim VARCHAR NOT NULL CHECK (claim IN ('defective', 'good', 'cannot say')),
    why VARCHAR,
    rows BIGINT NOT NULL,
    columns BIGINT NOT NULL,
    area STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE) NOT NULL,
    marked STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE),
    values FLOAT[] NOT NULL,
    nearest VARCHAR[] NOT NULL
);
INSERT INTO comparisons VALUES (
    'text',
    1,
    'text',
    0.5,
    1,
    1,
    0.5,
    'defective',
    'text',
    1,
    1,
    {'x0': 0.5, 'y0': 0.5, 'x1': 0.5, 'y1': 0.5},
    {'x0': 0.5, 'y0': 0.5, 'x1': 0.5, 'y1': 0.5},
    [0.5],
    ['text']
);

CREATE TABLE question_sets (
    name VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name, registered_at)
);
INSERT INTO question_sets VALUES (
    'text',
    'text',
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE former_questions (
    former_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    PRIMARY KEY (former_id)
);
INSERT INTO former_questions VALUES (
    'question-0',
    'c78e97b6fa62d72c843654721de74ceb'
);

CREATE TABLE ledger (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    predictions BIGINT NOT NULL,
    patches BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, block)
);
INSERT INTO ledger VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    1,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE descriptions (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    entry VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO descriptions VALUES (
    'drawn/bottle/crack',
    1,
    'drawn',
    'bottle',
    'crack',
    'A worker''s crack.',
    'published',
    'someone',
    'import',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE knowledge_versions (
    version VARCHAR NOT NULL,
    members STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    normals BIGINT[] NOT NULL,
    PRIMARY KEY (version, published_at)
);
INSERT INTO knowledge_versions VALUES (
    'v1',
    [{'description_id': 'drawn/bottle/crack', 'revision': 1}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    []
);

CREATE TABLE schedules (
    name VARCHAR NOT NULL,
    archive VARCHAR NOT NULL,
    cron VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    time_window VARCHAR,
    priority BIGINT NOT NULL,
    settings VARCHAR NOT NULL,
    review_budget BIGINT,
    golden VARCHAR,
    golden_run VARCHAR,
    paused BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO schedules VALUES (
    'text',
    'text',
    'text',
    'text',
    'text',
    1,
    'text',
    1,
    'text',
    'text',
    true,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE nights (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    first_due_at TIMESTAMPTZ NOT NULL,
    covered BIGINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('running', 'finished', 'cut', 'stopped', 'failed', 'alarm', 'void')),
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    tries BIGINT NOT NULL,
    images BIGINT NOT NULL,
    message VARCHAR
);
INSERT INTO nights VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    1,
    'running',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    1,
    1,
    'text'
);

CREATE TABLE night_runs (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL CHECK (purpose IN ('archive', 'golden', 'rescore')),
    PRIMARY KEY (schedule, due_at, run_id)
);
INSERT INTO night_runs VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text',
    'archive'
);

CREATE TABLE planned_images (
    run_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL
);
INSERT INTO planned_images VALUES (
    'text',
    'text'
);

CREATE TABLE night_steps (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    step VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('done', 'failed', 'skipped')),
    message VARCHAR NOT NULL,
    seconds DOUBLE NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL
);
INSERT INTO night_steps VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text',
    'done',
    'text',
    0.5,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE morning_reports (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    report VARCHAR NOT NULL
);
INSERT INTO morning_reports VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text'
);

CREATE TABLE backups (
    made_at TIMESTAMPTZ NOT NULL,
    path VARCHAR NOT NULL
);
INSERT INTO backups VALUES (
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text'
);

CREATE TABLE night_references (
    schedule VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    first_due_at TIMESTAMPTZ NOT NULL,
    last_due_at TIMESTAMPTZ NOT NULL,
    nights BIGINT NOT NULL,
    accepted_by VARCHAR,
    reason VARCHAR,
    stored_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (schedule, number)
);
INSERT INTO night_references VALUES (
    'text',
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    1,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE night_values (
    schedule VARCHAR NOT NULL,
    reference BIGINT NOT NULL,
    signal VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    value DOUBLE NOT NULL,
    charted DOUBLE NOT NULL,
    variance DOUBLE NOT NULL,
    images BIGINT NOT NULL,
    PRIMARY KEY (schedule, reference, signal, due_at)
);
INSERT INTO night_values VALUES (
    'text',
    1,
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    0.5,
    0.5,
    0.5,
    1
);

CREATE TABLE chart_acknowledgements (
    schedule VARCHAR NOT NULL,
    reference BIGINT NOT NULL,
    signal VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    acknowledged_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    acknowledged_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (schedule, reference, signal, due_at)
);
INSERT INTO chart_acknowledgements VALUES (
    'text',
    1,
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE disputes (
    dispute_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    options STRUCT(letter VARCHAR, text VARCHAR)[] NOT NULL,
    answer VARCHAR,
    correct_answer VARCHAR,
    entropy DOUBLE,
    margin DOUBLE,
    error_probability DOUBLE,
    slots BIGINT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    claims VARCHAR[],
    kind VARCHAR CHECK (kind IN ('yes/no', 'choice', 'region', 'open')),
    no_defect VARCHAR[],
    PRIMARY KEY (dispute_id)
);
INSERT INTO disputes VALUES (
    'text',
    'text',
    '98b93846c4335fd861d1d78facd82aa1',
    1,
    'text',
    'text',
    'text',
    'text',
    'text',
    [{'letter': 'text', 'text': 'text'}],
    'text',
    'text',
    0.5,
    0.5,
    0.5,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL,
    'choice',
    []
);

CREATE TABLE dispute_reasons (
    dispute_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL CHECK (reason IN ('uncertain', 'label', 'contradiction', 'flip', 'elsewhere', 'person', 'audit', 'comparison')),
    score DOUBLE NOT NULL,
    weight DOUBLE NOT NULL,
    note VARCHAR NOT NULL,
    opened_by VARCHAR NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (dispute_id, reason)
);
INSERT INTO dispute_reasons VALUES (
    'text',
    'uncertain',
    0.5,
    0.5,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE budget_curves (
    run_id VARCHAR NOT NULL,
    cases BIGINT NOT NULL,
    calibrated_on VARCHAR NOT NULL,
    points STRUCT(reviews BIGINT, threshold DOUBLE, caught DOUBLE, caught_low DOUBLE, caught_high DOUBLE, missed DOUBLE, missed_low DOUBLE, missed_high DOUBLE)[] NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO budget_curves VALUES (
    'text',
    1,
    'text',
    [{'reviews': 1, 'threshold': 0.5, 'caught': 0.5, 'caught_low': 0.5, 'caught_high': 0.5, 'missed': 0.5, 'missed_low': 0.5, 'missed_high': 0.5}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE audit_draws (
    run_id VARCHAR NOT NULL,
    population BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    cases STRUCT(image_id VARCHAR, question_id VARCHAR)[] NOT NULL,
    drawn_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO audit_draws VALUES (
    'text',
    1,
    1,
    [{'image_id': 'text', 'question_id': '98b93846c4335fd861d1d78facd82aa1'}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE review_projects (
    project_key VARCHAR NOT NULL,
    server VARCHAR NOT NULL,
    slot BIGINT NOT NULL,
    config VARCHAR NOT NULL,
    project_id BIGINT,
    pulled_until TIMESTAMPTZ,
    lost_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project_key)
);
INSERT INTO review_projects VALUES (
    'text',
    'text',
    1,
    'text',
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE review_tasks (
    task_key VARCHAR NOT NULL,
    dispute_id VARCHAR NOT NULL,
    slot BIGINT NOT NULL,
    project_key VARCHAR NOT NULL,
    task_id BIGINT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL,
    unblinded BOOLEAN NOT NULL,
    PRIMARY KEY (task_key)
);
INSERT INTO review_tasks VALUES (
    'text',
    'text',
    1,
    'text',
    1,
    1,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    false
);

CREATE TABLE judgements (
    judgement_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    dispute_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    answer_kind VARCHAR NOT NULL CHECK (answer_kind IN ('option', 'text', 'none', 'cannot tell')),
    answer VARCHAR,
    label VARCHAR CHECK (label IN ('good', 'defective')),
    boxes STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)[] NOT NULL,
    explanation VARCHAR CHECK (explanation IN ('supports', 'irrelevant', 'misleads')),
    better_description VARCHAR,
    comment VARCHAR,
    seconds DOUBLE,
    actor VARCHAR NOT NULL,
    channel VARCHAR NOT NULL CHECK (channel IN ('command line', 'dashboard', 'Label Studio', 'schedule', 'program')),
    basis VARCHAR CHECK (basis IN ('single', 'agreed', 'majority', 'person')),
    reason VARCHAR NOT NULL,
    run_id VARCHAR,
    shown_answer VARCHAR,
    evidence_id VARCHAR,
    slot BIGINT,
    blinded BOOLEAN NOT NULL,
    stratum VARCHAR NOT NULL CHECK (stratum IN ('audit', 'rule', 'label', 'volunteered')),
    probability DOUBLE,
    judged_at TIMESTAMPTZ NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    project_key VARCHAR,
    PRIMARY KEY (judgement_id, revision)
);
INSERT INTO judgements VALUES (
    'text',
    1,
    'text',
    'text',
    '98b93846c4335fd861d1d78facd82aa1',
    'option',
    'text',
    NULL,
    [{'x0': 0.5, 'y0': 0.5, 'x1': 0.5, 'y1': 0.5}],
    'supports',
    'text',
    'text',
    0.5,
    'text',
    'dashboard',
    NULL,
    '',
    'text',
    'text',
    NULL,
    1,
    true,
    'audit',
    1.0,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    true,
    NULL
);

CREATE TABLE quarantined_results (
    result_id VARCHAR NOT NULL,
    project_key VARCHAR NOT NULL,
    task_id BIGINT NOT NULL,
    annotation_id BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    payload VARCHAR NOT NULL,
    found_at TIMESTAMPTZ NOT NULL,
    untold BOOLEAN NOT NULL,
    PRIMARY KEY (result_id)
);
INSERT INTO quarantined_results VALUES (
    'text',
    'text',
    1,
    1,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    false
);

CREATE TABLE facts (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    cluster_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    lot VARCHAR,
    night VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    evidence_id VARCHAR,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    conditional BOOLEAN NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('answered', 'invalid', 'failed')),
    error VARCHAR,
    failure VARCHAR CHECK (failure IN ('vanished', 'replaced', 'permission denied', 'disk error', 'empty', 'not an image', 'unsupported', 'truncated', 'damaged', 'too large', 'out of memory', 'poison', 'encoder refused', 'source failed', 'does not fit', 'not finite', 'device out of memory', 'model failed', 'unknown')),
    answer VARCHAR,
    correct_answer VARCHAR,
    answer_text VARCHAR,
    correct_text VARCHAR,
    choices BIGINT NOT NULL,
    outcome VARCHAR NOT NULL CHECK (outcome IN ('escape', 'overkill', 'wrong', 'invalid', 'failed', 'alarm', 'right', 'pass', 'unlabelled')),
    correct BOOLEAN,
    confidence DOUBLE,
    confidence_band VARCHAR,
    first_entropy DOUBLE,
    settled_entropy DOUBLE,
    entropy_band VARCHAR,
    shape VARCHAR CHECK (shape IN ('flat-low', 'falling', 'oscillating', 'late rise', 'stuck-high')),
    description VARCHAR,
    description_product VARCHAR,
    description_entry VARCHAR,
    retrieval VARCHAR CHECK (retrieval IN ('right', 'other entry', 'other product', 'none')),
    seconds DOUBLE NOT NULL,
    detection BOOLEAN NOT NULL,
    claim VARCHAR CHECK (claim IN ('defective', 'good', 'cannot say', 'unreadable')),
    good_option STRUCT(letter VARCHAR, text VARCHAR),
    defective_option STRUCT(letter VARCHAR, text VARCHAR),
    defect_probability DOUBLE
);
INSERT INTO facts VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'bottle/test/000.png',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'drawn',
    'bottle',
    'good',
    NULL,
    NULL,
    NULL,
    NULL,
    '2025-01-03',
    'c78e97b6fa62d72c843654721de74ceb',
    '281522b66337e8aa1f83658c1d64d037',
    'Anomaly Detection',
    'Is there any defect in the object?',
    false,
    'answered',
    NULL,
    NULL,
    'B',
    'B',
    'No.',
    'No.',
    2,
    'right',
    true,
    0.875,
    '0.7 to 0.9',
    1.5,
    1.0,
    '1 to 2',
    'falling',
    'drawn/bottle/crack',
    'bottle',
    'crack',
    'other entry',
    0.25,
    true,
    'good',
    {'letter': 'B', 'text': 'No.'},
    {'letter': 'A', 'text': 'Yes.'},
    0.125
);

CREATE TABLE cells (
    run_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    subtask VARCHAR,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    lot VARCHAR,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    invalid BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    counted_images BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    correct BIGINT NOT NULL,
    counted_detections BIGINT NOT NULL,
    correct_detections BIGINT NOT NULL,
    escape BIGINT NOT NULL,
    overkill BIGINT NOT NULL,
    alarms BIGINT NOT NULL,
    passes BIGINT NOT NULL,
    chance DOUBLE NOT NULL,
    entropies BIGINT NOT NULL,
    entropy DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL,
    counted_squared BIGINT NOT NULL,
    counted_correct BIGINT NOT NULL,
    correct_squared BIGINT NOT NULL,
    unreadable BIGINT NOT NULL,
    unclaimed BIGINT NOT NULL,
    unlabelled_images BIGINT NOT NULL,
    alarm_images BIGINT NOT NULL,
    alarm_probabilities BIGINT NOT NULL,
    alarm_probability DOUBLE NOT NULL
);
INSERT INTO cells VALUES (
    '20250103T220005123Z-a1b2c3d4',
    'drawn',
    'bottle',
    NULL,
    'good',
    NULL,
    NULL,
    NULL,
    NULL,
    1,
    1,
    1,
    0,
    0,
    1,
    1,
    1,
    1,
    1,
    0,
    0,
    0,
    0,
    0.5,
    1,
    1.0,
    0.25,
    1,
    1,
    1,
    0,
    0,
    0,
    0,
    0,
    0.0
);

CREATE TABLE knowledge_changes (
    number BIGINT NOT NULL,
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),
    version VARCHAR,
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (number)
);
INSERT INTO knowledge_changes VALUES (
    1,
    'drawn/bottle/crack',
    1,
    'published',
    NULL,
    'someone',
    'import',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE knowledge_sentences (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    place BIGINT NOT NULL,
    text VARCHAR NOT NULL,
    origin VARCHAR NOT NULL CHECK (origin IN ('kept', 'verdict', 'curator', 'model')),
    dispute_id VARCHAR,
    verdict_id VARCHAR,
    image_id VARCHAR
);
INSERT INTO knowledge_sentences VALUES (
    'text',
    1,
    1,
    'text',
    'kept',
    'text',
    'text',
    'text'
);

CREATE TABLE knowledge_trials (
    version VARCHAR NOT NULL,
    members STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    normals BIGINT[] NOT NULL,
    PRIMARY KEY (version)
);
INSERT INTO knowledge_trials VALUES (
    'text',
    [{'description_id': 'text', 'revision': 1}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    []
);

CREATE TABLE gate_attempts (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    budget VARCHAR NOT NULL,
    attempt BIGINT NOT NULL,
    alpha DOUBLE NOT NULL,
    margin DOUBLE NOT NULL,
    against BIGINT,
    base_version VARCHAR,
    trial_version VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,
    affected VARCHAR[] NOT NULL,
    elsewhere VARCHAR[] NOT NULL,
    author VARCHAR NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO gate_attempts VALUES (
    'text',
    1,
    'text',
    1,
    0.5,
    0.5,
    1,
    'text',
    'text',
    'text',
    'text',
    ['text'],
    ['text'],
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE gate_results (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    verdict VARCHAR NOT NULL CHECK (verdict IN ('better', 'worse', 'not enough evidence')),
    why VARCHAR NOT NULL,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    won BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    difference DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    p_better DOUBLE NOT NULL,
    p_worse DOUBLE NOT NULL,
    elsewhere_images BIGINT NOT NULL,
    elsewhere_questions BIGINT NOT NULL,
    elsewhere_won BIGINT NOT NULL,
    elsewhere_lost BIGINT NOT NULL,
    elsewhere_difference DOUBLE NOT NULL,
    elsewhere_low DOUBLE NOT NULL,
    images_needed BIGINT,
    old_run VARCHAR NOT NULL,
    new_run VARCHAR NOT NULL,
    closed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO gate_results VALUES (
    'text',
    1,
    'better',
    'text',
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    1,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE night_tests (
    test_id VARCHAR NOT NULL,
    budget VARCHAR NOT NULL,
    attempt BIGINT NOT NULL,
    alpha DOUBLE NOT NULL,
    margin DOUBLE NOT NULL,
    drafts STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    against STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    author VARCHAR NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (test_id)
);
INSERT INTO night_tests VALUES (
    'text',
    'text',
    1,
    0.5,
    0.5,
    [{'description_id': 'text', 'revision': 1}],
    [{'description_id': 'text', 'revision': 1}],
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE night_bets (
    test_id VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    old_runs VARCHAR[] NOT NULL,
    new_runs VARCHAR[] NOT NULL,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    won BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    mean DOUBLE NOT NULL,
    wager DOUBLE NOT NULL,
    log_better DOUBLE NOT NULL,
    log_worse DOUBLE NOT NULL,
    elsewhere_images BIGINT NOT NULL,
    elsewhere_questions BIGINT NOT NULL,
    elsewhere_won BIGINT NOT NULL,
    elsewhere_lost BIGINT NOT NULL,
    elsewhere_changed BIGINT NOT NULL,
    elsewhere_low DOUBLE NOT NULL,
    verdict VARCHAR NOT NULL CHECK (verdict IN ('still gathering', 'better', 'worse')),
    why VARCHAR NOT NULL,
    clusters VARCHAR[] NOT NULL,
    contents VARCHAR[] NOT NULL,
    PRIMARY KEY (test_id, number)
);
INSERT INTO night_bets VALUES (
    'text',
    1,
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    ['text'],
    ['text'],
    1,
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    0.5,
    0.5,
    1,
    1,
    1,
    1,
    1,
    0.5,
    'still gathering',
    'text',
    ['text'],
    ['text']
);

CREATE TABLE knowledge_lifts (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    retrieved BIGINT NOT NULL,
    strayed BIGINT NOT NULL,
    sampled BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    helped BIGINT NOT NULL,
    harmed BIGINT NOT NULL,
    lift DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    subtasks STRUCT(subtask VARCHAR, questions BIGINT, helped BIGINT, harmed BIGINT)[] NOT NULL,
    measured_at TIMESTAMPTZ NOT NULL,
    p DOUBLE
);
INSERT INTO knowledge_lifts VALUES (
    'text',
    1,
    'text',
    1,
    1,
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    0.5,
    [],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL
);

CREATE TABLE normals (
    number BIGINT NOT NULL,
    content VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    piece VARCHAR NOT NULL,
    archive_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('proposed', 'published', 'retired')),
    origin VARCHAR NOT NULL CHECK (origin IN ('normal folder', 'sidecar reference', 'references folder', 'verdict')),
    judgement_id VARCHAR,
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    tile STRUCT(content VARCHAR, x0 BIGINT, y0 BIGINT, x1 BIGINT, y1 BIGINT),
    camera VARCHAR,
    PRIMARY KEY (number)
);
INSERT INTO normals VALUES (
    1,
    'text',
    'text',
    'text',
    'text',
    'text',
    'text',
    'proposed',
    'normal folder',
    'text',
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    {'content': 'text', 'x0': 1, 'y0': 1, 'x1': 1, 'y1': 1},
    'text'
);

CREATE TABLE normal_changes (
    number BIGINT NOT NULL,
    normal BIGINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('proposed', 'published', 'retired')),
    version VARCHAR,
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (number)
);
INSERT INTO normal_changes VALUES (
    1,
    1,
    'proposed',
    'text',
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE arms (
    experiment VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('ablation', 'stress')),
    archive_id VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    arm VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    level DOUBLE,
    baseline VARCHAR,
    run_id VARCHAR NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (experiment, arm)
);
INSERT INTO arms VALUES (
    'text',
    'ablation',
    'text',
    1,
    'text',
    'text',
    0.5,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE thresholds (
    product VARCHAR NOT NULL,
    camera VARCHAR NOT NULL,
    signal VARCHAR NOT NULL,
    version BIGINT NOT NULL,
    value DOUBLE,
    method VARCHAR NOT NULL CHECK (method IN ('cost', 'escape', 'overkill', 'given', 'rollback')),
    normals VARCHAR,
    details VARCHAR NOT NULL,
    run_id VARCHAR,
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    saved_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (product, camera, signal, version)
);
INSERT INTO thresholds VALUES (
    'text',
    'text',
    'text',
    1,
    0.5,
    'cost',
    'text',
    'text',
    'text',
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE audit (
    number BIGINT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    actor VARCHAR NOT NULL,
    channel VARCHAR NOT NULL CHECK (channel IN ('command line', 'dashboard', 'Label Studio', 'schedule', 'program')),
    action VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    details VARCHAR NOT NULL,
    PRIMARY KEY (number)
);
INSERT INTO audit VALUES (
    1,
    TIMESTAMPTZ '2026-11-29T22:40:07.580512+00:00',
    'workbench',
    'program',
    'upgrade warehouse',
    'version 5',
    '{"from": 4}'
);

CREATE OR REPLACE VIEW verdicts AS SELECT judgement_id AS verdict_id, revision, dispute_id, slot, run_id, image_id, question_id,
            actor AS reviewer, 
    CASE
        WHEN answer_kind = 'cannot tell' THEN 'unsure'
        WHEN answer_kind IN ('option', 'text') AND answer IS NOT DISTINCT FROM shown_answer THEN 'correct'
        ELSE 'wrong'
    END AS decision
, answer AS right_answer, boxes, explanation, better_description, comment,
            seconds, judged_at, stored_at, withdrawn AS deleted, NOT blinded AS unblinded
        FROM judgements WHERE basis IS NULL;

CREATE OR REPLACE VIEW settlements AS SELECT image_id, question_id, revision, dispute_id, 
    CASE
        WHEN answer_kind = 'cannot tell' THEN 'unsure'
        WHEN answer_kind IN ('option', 'text') AND answer IS NOT DISTINCT FROM shown_answer THEN 'correct'
        ELSE 'wrong'
    END AS decision
, answer AS right_answer, label, basis,
            actor AS author, reason, withdrawn, judged_at AS settled_at, blinded, stratum, probability
        FROM judgements WHERE basis IS NOT NULL;

CREATE VIEW settled AS WITH of_dispute AS (
        SELECT * FROM settlements
        QUALIFY row_number() OVER (PARTITION BY image_id, question_id, dispute_id ORDER BY revision DESC) = 1
    ), standing AS (
        SELECT * FROM of_dispute WHERE NOT withdrawn
        QUALIFY row_number() OVER (PARTITION BY image_id, question_id ORDER BY revision DESC) = 1
    ), rule AS (SELECT dispute_id, first(reason ORDER BY weight DESC, reason) AS rule FROM dispute_reasons GROUP BY ALL)
    SELECT s.image_id, s.question_id, s.dispute_id, s.decision, s.right_answer, s.label, s.basis, s.author,
        s.settled_at, s.blinded, s.stratum,
        CASE s.decision WHEN 'unsure' THEN NULL WHEN 'correct' THEN coalesce(s.right_answer, d.answer)
            ELSE coalesce(s.right_answer, 'none of these') END AS correct_answer,
        coalesce(list_filter(d.options, lambda option: option.letter = s.right_answer)[1].text,
            CASE WHEN s.decision = 'wrong' THEN coalesce(s.right_answer, 'none of these') END) AS correct_text,
        coalesce(rule.rule, 'person') AS verified,
        s.label IS NOT NULL OR (s.decision = 'unsure' AND d.claims IS NOT NULL) AS labels
    FROM standing AS s LEFT JOIN disputes AS d USING (dispute_id) LEFT JOIN rule USING (dispute_id);

CREATE VIEW settled_facts AS SELECT *, 
    CASE
        WHEN status <> 'answered' THEN status
        WHEN correct_answer IS NULL
            THEN CASE claim WHEN 'defective' THEN 'alarm' WHEN 'good' THEN 'pass' ELSE 'unlabelled' END
        WHEN answer = correct_answer THEN 'right'
        WHEN claim = 'good' AND label = 'defective' THEN 'escape'
        WHEN claim = 'defective' AND label = 'good' THEN 'overkill'
        ELSE 'wrong'
    END AS outcome,
    CASE WHEN correct_answer IS NOT NULL AND status <> 'failed'
        THEN coalesce(status = 'answered' AND answer = correct_answer, false) END AS correct,
    CASE
        WHEN label = 'good' IS NOT TRUE AND defect IS NULL THEN NULL
        WHEN description IS NULL THEN 'none'
        WHEN description_product <> product THEN 'other product'
        WHEN lower(description_entry) = CASE WHEN label = 'good' THEN 'good' ELSE lower(defect) END THEN 'right'
        ELSE 'other entry'
    END AS retrieval
 FROM (
    WITH s AS MATERIALIZED (SELECT * FROM settled), l AS MATERIALIZED (
    SELECT image_id, label, verified, basis FROM s WHERE labels
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY settled_at DESC, question_id) = 1
)
    SELECT t.* EXCLUDE (outcome, correct, retrieval) REPLACE (
            CASE WHEN l.image_id IS NULL THEN t.label ELSE l.label END AS label,
            CASE WHEN l.image_id IS NULL OR l.label IS NOT DISTINCT FROM t.label THEN t.defect END AS defect,
            CASE WHEN s.image_id IS NOT NULL AND (t.choices > 0 OR t.correct_answer IS NOT NULL) THEN s.correct_answer WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND t.choices > 0
    AND t.detection AND (l.label IS NULL OR (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END) IS NOT NULL)) THEN (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END).letter
                ELSE t.correct_answer END AS correct_answer, CASE WHEN s.image_id IS NOT NULL AND (t.choices > 0 OR t.correct_answer IS NOT NULL) THEN s.correct_text WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND t.choices > 0
    AND t.detection AND (l.label IS NULL OR (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END) IS NOT NULL)) THEN (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END).text ELSE t.correct_text END AS correct_text),
        CASE WHEN s.image_id IS NOT NULL AND (t.choices > 0 OR t.correct_answer IS NOT NULL) THEN s.verified WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND t.choices > 0
    AND t.detection AND (l.label IS NULL OR (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END) IS NOT NULL)) THEN l.verified END AS verified,
        CASE WHEN s.image_id IS NOT NULL AND (t.choices > 0 OR t.correct_answer IS NOT NULL) THEN s.basis WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND t.choices > 0
    AND t.detection AND (l.label IS NULL OR (CASE WHEN t.claim = l.label THEN struct_pack(letter := t.answer, text := t.answer_text)
    WHEN l.label = 'good' THEN t.good_option WHEN l.label = 'defective' THEN t.defective_option END) IS NOT NULL)) THEN l.basis END AS basis
    FROM (SELECT * FROM facts WHERE image_id IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL)) AS t
    LEFT JOIN s USING (image_id, question_id) LEFT JOIN l USING (image_id)
);

CREATE VIEW reviewed_facts AS SELECT *, NULL::VARCHAR AS verified, NULL::VARCHAR AS basis FROM facts WHERE image_id NOT IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL) UNION ALL BY NAME SELECT * FROM settled_facts;

CREATE VIEW reviewed_predictions AS SELECT t.*, NULL::VARCHAR AS verified, NULL::VARCHAR AS basis, t.label AS archive_label, t.correct_answer AS archive_correct_answer, t.rowid AS rowid FROM predictions AS t WHERE image_id NOT IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL) UNION ALL BY NAME SELECT * EXCLUDE (place), place AS rowid FROM (
    WITH s AS MATERIALIZED (SELECT * FROM settled), l AS MATERIALIZED (
    SELECT image_id, label, verified, basis FROM s WHERE labels
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY settled_at DESC, question_id) = 1
)
    SELECT t.*  REPLACE (
            CASE WHEN l.image_id IS NULL THEN t.label ELSE l.label END AS label,
            CASE WHEN l.image_id IS NULL OR l.label IS NOT DISTINCT FROM t.label THEN t.defect END AS defect,
            CASE WHEN s.image_id IS NOT NULL AND (len(t.options) > 0 OR t.correct_answer IS NOT NULL) THEN s.correct_answer WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND len(t.options) > 0
    AND t.claims IS NOT NULL AND (l.label IS NULL OR (t.options[CASE WHEN t.claims[list_position(list_transform(t.options, lambda option: option.letter), t.answer)] = l.label THEN list_position(list_transform(t.options, lambda option: option.letter), t.answer)
    ELSE list_position(t.claims, l.label) END]) IS NOT NULL)) THEN (t.options[CASE WHEN t.claims[list_position(list_transform(t.options, lambda option: option.letter), t.answer)] = l.label THEN list_position(list_transform(t.options, lambda option: option.letter), t.answer)
    ELSE list_position(t.claims, l.label) END]).letter
                ELSE t.correct_answer END AS correct_answer),
        CASE WHEN s.image_id IS NOT NULL AND (len(t.options) > 0 OR t.correct_answer IS NOT NULL) THEN s.verified WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND len(t.options) > 0
    AND t.claims IS NOT NULL AND (l.label IS NULL OR (t.options[CASE WHEN t.claims[list_position(list_transform(t.options, lambda option: option.letter), t.answer)] = l.label THEN list_position(list_transform(t.options, lambda option: option.letter), t.answer)
    ELSE list_position(t.claims, l.label) END]) IS NOT NULL)) THEN l.verified END AS verified,
        CASE WHEN s.image_id IS NOT NULL AND (len(t.options) > 0 OR t.correct_answer IS NOT NULL) THEN s.basis WHEN (s.image_id IS NULL AND l.image_id IS NOT NULL AND l.label IS DISTINCT FROM t.label AND len(t.options) > 0
    AND t.claims IS NOT NULL AND (l.label IS NULL OR (t.options[CASE WHEN t.claims[list_position(list_transform(t.options, lambda option: option.letter), t.answer)] = l.label THEN list_position(list_transform(t.options, lambda option: option.letter), t.answer)
    ELSE list_position(t.claims, l.label) END]) IS NOT NULL)) THEN l.basis END AS basis, t.label AS archive_label, t.correct_answer AS archive_correct_answer
    FROM (SELECT *, rowid AS place FROM predictions WHERE image_id IN (SELECT image_id FROM judgements WHERE basis IS NOT NULL)) AS t
    LEFT JOIN s USING (image_id, question_id) LEFT JOIN l USING (image_id)
);
