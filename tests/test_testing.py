"""The kit of checks: that it finds what is wrong, leaves alone what is right, and says so."""

import inspect
import random
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from wrong_plugins import augmentations, datasets, encoders, losses, metrics, models, trackers, trainers

from segzoo import registry, testing
from segzoo.errors import ConfigError, DataError, PluginError
from segzoo.plugin import Model, Plugin
from segzoo.testing import checks
from segzoo.testing.bounded import bounded_outcomes
from segzoo_unet import UNet

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "check-a-plugin.md"

SLOW = {
    "check_import_is_light",
    "check_overfits_one_batch",
    "check_saved_network_loads_without_segzoo",
    "check_savedmodel_agrees",
    "check_saved_encoder_loads_without_segzoo",
    "check_loss_falls",
    "check_best_weights_are_left",
    "check_seed_decides_the_training",
}
"""Checks that take a second or more; in the quick tests, only what they should find something of goes through them."""

FOUND = {
    losses.Undocumented: {"check_class_is_documented_and_cited"},
    losses.CitedWithoutYear: {"check_class_is_documented_and_cited"},
    losses.LostInJson: {"check_options_survive_json"},
    losses.LostInToml: {"check_options_survive_toml"},
    losses.Undescribed: {"check_every_option_is_described"},
    losses.Thawed: {"check_options_are_frozen"},
    losses.Careless: {"check_unknown_options_are_refused"},
    models.LargeStride: {"check_stride_is_needed"},
    models.ThreeChannels: {"check_builds_for_channels_and_classes"},
    models.OneMapForTwoClasses: {"check_builds_for_channels_and_classes"},
    models.Transposed: {"check_output_has_the_promised_shape", "check_odd_sizes_fit"},
    models.HalfPrecision: {"check_output_is_float32"},
    models.Probabilities: {"check_output_is_logits"},
    models.Sigmoids: {"check_output_is_logits"},
    models.NotTooHigh: {"check_odd_sizes_fit"},
    models.Mirrors: {"check_smallest_legal_size_fits"},
    models.OtherWhenOpen: {"check_size_can_stay_open"},
    models.SeesTheBatch: {"check_images_do_not_see_each_other"},
    models.UnsharedR2UNet: {"check_parameter_count"},
    models.SeesItsPlace: {"check_prediction_moves_with_the_image"},
    models.StopsTheGradient: {"check_gradient_reaches_every_weight"},
    models.EmptySkip: {"check_every_skip_matters"},
    models.DroppedSkip: {"check_every_skip_matters"},
    models.EmptyBranch: {"check_every_skip_matters"},
    models.SameForSkip: {"check_every_skip_matters"},
    models.CannotLearn: {"check_overfits_one_batch"},
    models.TooFine: {"check_mixed_bfloat16_is_finite"},
    models.TooLarge: {"check_mixed_float16_is_finite"},
    models.SeedsItself: {"check_seed_decides_the_weights"},
    models.OneSeed: {"check_seed_decides_the_weights"},
    models.CannotBeLoaded: {"check_saved_network_loads_without_segzoo"},
    models.CannotBeTraced: {"check_saved_network_loads_without_segzoo", "check_savedmodel_agrees"},
    models.TakesItsEncoderApart: {"check_encoder_is_a_layer"},
    encoders.CoarsestFirst: {"check_strides_rise"},
    encoders.LosesBorders: {"check_maps_have_the_promised_sizes"},
    encoders.EncodesColours: {"check_maps_of_any_channels", "check_starting_weights_are_loaded"},
    encoders.SeedsItsMaps: {"check_seed_decides_the_encoder"},
    encoders.MapsOfTheBatch: {"check_maps_are_those_of_their_image"},
    encoders.HasADeadEnd: {"check_gradient_reaches_the_encoder"},
    encoders.TooFineMaps: {"check_maps_are_finite_in_mixed_bfloat16"},
    encoders.CannotBeReadBack: {"check_saved_encoder_loads_without_segzoo"},
    encoders.OtherWeightsEachTime: {"check_starting_weights_are_known"},
    encoders.Abridges: {"check_starting_weights_are_known"},
    encoders.LoadsNothing: {"check_starting_weights_are_loaded"},
    encoders.LoadsColours: {"check_starting_weights_are_loaded"},
    datasets.WideMasks: {"check_images_and_masks_fit"},
    datasets.FlatImages: {"check_images_and_masks_fit"},
    datasets.MixedDepths: {"check_bit_depth_is_the_same"},
    datasets.BlackAndWhiteMasks: {"check_labels_are_classes"},
    datasets.CountsFromOne: {"check_labels_are_classes"},
    datasets.Augments: {
        "check_same_index_gives_the_same_bytes",
        "check_samples_can_be_pickled",
        "check_two_threads_can_read",
        "check_two_processes_can_read",
    },
    datasets.Overlaps: {"check_splits_share_no_id"},
    datasets.NoVal: {"check_splits_share_no_id"},
    datasets.Shuffles: {"check_length_is_stable", "check_two_processes_can_read"},
    datasets.OtherFiles: {"check_files_are_those_of_the_samples"},
    datasets.OpenFile: {"check_samples_can_be_pickled"},
    datasets.Connection: {"check_two_threads_can_read"},
    datasets.Hashed: {"check_two_processes_can_read"},
    metrics.Undefined: {"check_own_scores_are_defined"},
    metrics.OtherClasses: {"check_own_scores_are_defined"},
    metrics.CountsTheIgnored: {"check_own_scores_follow_from_labelled_pixels"},
    metrics.Remembers: {"check_own_scores_follow_from_labelled_pixels", "check_own_counts_add_up"},
    metrics.AddsInPlace: {"check_own_counts_add_up"},
    metrics.AddsNothing: {"check_own_counts_add_up"},
    augmentations.ColoursOnly: {"check_any_image_fits"},
    augmentations.LeavesTheMask: {"check_mask_moves_with_the_image", "check_ignored_pixels_stay_ignored"},
    augmentations.LabelsTheIgnored: {"check_ignored_pixels_stay_ignored"},
    augmentations.LeavesTheWeights: {"check_weights_move_with_the_mask"},
    augmentations.DrawsByItself: {"check_seed_decides_the_result", "check_two_threads_can_augment"},
    augmentations.AlwaysTheSame: {"check_seed_decides_the_result"},
    augmentations.MainThreadOnly: {"check_two_threads_can_augment"},
    trainers.StandsStill: {"check_loss_falls"},
    trainers.LastWeights: {"check_best_weights_are_left"},
    trainers.ReportsTwice: {"check_history_has_one_row_an_epoch"},
    trainers.CountsNothing: {"check_history_has_one_row_an_epoch", "check_steps_end_the_training"},
    trainers.Compiles: {"check_network_is_not_compiled"},
    trainers.ReportsTimesOfDay: {"check_figures_are_numbers"},
    trainers.NumbersEpochs: {"check_figures_are_numbers"},
    trainers.CountsFractions: {"check_figures_are_numbers"},
    trainers.DeafToSteps: {"check_steps_end_the_training"},
    trainers.ResizesAll: {"check_crops_are_heeded"},
    trainers.DeafToAugmentation: {"check_augmentation_is_for_training_alone"},
    trainers.AugmentsAll: {"check_augmentation_is_for_training_alone"},
    trainers.DeafToSeeds: {"check_seed_decides_the_training"},
    trainers.Lucky: {"check_seed_decides_the_training"},
    trainers.LeavesTraces: {"check_global_state_is_left"},
    trackers.EndsBeforeItBegins: {"check_a_run_that_goes_on_is_followed"},
    trackers.OneForAll: {"check_two_runs_can_be_followed_at_once"},
    trackers.TakesTheEpoch: {"check_what_it_is_told_stays_as_it_is"},
    trackers.TidiesUp: {"check_files_of_the_run_stay_as_they_are"},
    trackers.DrawsANumber: {"check_random_numbers_stay_as_they_are"},
    losses.LooksAtValues: {"check_it_can_be_compiled"},
    losses.BatchMean: {"check_images_have_losses_of_their_own"},
    losses.Smoothed: {"check_perfect_prediction_costs_nothing"},
    losses.Nothing: {"check_perfect_prediction_costs_nothing"},
    losses.NaiveLogarithm: {"check_float16_logits_are_finite"},
    losses.CountsTheBorder: {"check_weight_zero_does_not_count"},
    losses.PrefersTheTop: {"check_order_of_pixels_does_not_matter"},
    losses.OtherGradient: {"check_gradient_is_that_of_the_value"},
}

LACKING = {
    models.Forgetful: (
        "check_network_is_built",
        r"model Forgetful: `build` returned None; is there a `return` missing",
    ),
    models.Raises: (
        "check_network_is_built",
        r"model Raises: `build` raised KeyError: 'filters' \(wrong_plugins/models.py:\d+\)",
    ),
    models.GivesAllMaps: ("check_network_is_built", "its network makes a list, not a tensor"),
    models.NotFinite: ("check_network_is_built", "1,536 of 1,536 logits are not finite"),
    encoders.Nameless: ("check_encoder_is_built", "its network is called 'backbone', not 'encoder'"),
    encoders.LacksAMap: ("check_encoder_is_built", "it makes 1 maps, but declares 2 strides"),
    encoders.NotFiniteMaps: (
        "check_encoder_is_built",
        r"\d+ of \d+ values of the map of stride 4 are not finite",
    ),
    datasets.Missing: ("check_samples_are_there", "dataset Missing: `open` raised FileNotFoundError: no folder"),
    datasets.Empty: ("check_samples_are_there", "dataset Empty: the split 'val' has no images"),
    datasets.NoMasks: (
        "check_samples_are_there",
        "sample 'train/0' of the split 'train' is of the type ndarray; it must be",
    ),
    datasets.HiddenFile: (
        "check_samples_are_there",
        r"dataset HiddenFile: the split 'train' has \d+ samples, but \d+ ids: each sample needs one",
    ),
    datasets.FewerFiles: (
        "check_samples_are_there",
        r"dataset FewerFiles: the split 'train' has \d+ samples, but files for 3",
    ),
    augmentations.GivesAList: (
        "check_samples_are_augmented",
        ".*`augment` returned no tuple of an image, a mask and weights",
    ),
    augmentations.ForgetsTheWeights: (
        "check_samples_are_augmented",
        r".*`augment` returned as weights None, which should be float32 \(40, 56\)",
    ),
    augmentations.KeepsTheMargin: (
        "check_samples_are_augmented",
        r".*`augment` returned as image uint8 \(50, 66, 3\), which should be uint8 \(40, 56, 3\)",
    ),
    augmentations.GivesFloats: ("check_samples_are_augmented", r".*`augment` returned as image float64 \(40, 56, 3\)"),
    augmentations.InventsLabels: (
        "check_samples_are_augmented",
        "augmentation InventsLabels: of sample 'drawn', `augment` returned the labels 3, 5, which its mask",
    ),
    augmentations.WritesIntoTheImage: (
        "check_samples_are_augmented",
        r".*`augment` raised ValueError: output array is read-only \(wrong_plugins/augmentations.py:\d+\), augmenting "
        "sample 'drawn'",
    ),
    augmentations.Outward: (
        "check_samples_are_augmented",
        r".*its `margin` of a crop of \(40, 56\) is -1, less than 0",
    ),
    trainers.GivesWeights: ("check_network_is_fitted", "`fit` returned a list, not a keras.Model"),
    trainers.ReportsNothing: ("check_network_is_fitted", "epoch_ended was never called: no epoch has figures"),
    trainers.ReportsNoValLoss: (
        "check_network_is_fitted",
        "epoch_ended was given only loss; it needs loss and val_loss",
    ),
    trainers.ReportsTexts: ("check_network_is_fitted", r"epoch_ended was given loss = '\d\.\d{4}', which is no number"),
    trainers.ReportsNan: ("check_network_is_fitted", "epoch_ended was given loss = nan, which is not finite"),
    trainers.DeafToEpochs: (
        "check_network_is_fitted",
        "a job with epochs = 1 goes on after 3 calls of epoch_ended",
    ),
    losses.Scalar: ("check_one_value_an_image", r"the loss of 3 images has shape \(\), not \(3,\)"),
    trackers.RoundsAll: (
        "check_a_run_is_followed",
        r"ValueError: cannot convert float NaN to integer \(wrong_plugins/trackers.py:\d+",
    ),
    trackers.GivesItself: (
        "check_a_run_is_followed",
        "tracker GivesItself: `subscriber` returned .*which is no Subscriber",
    ),
    losses.NeverFinite: ("check_one_value_an_image", r"the loss of 3 images is not finite: \[inf inf inf\]"),
}
"""Plugins that lack what all checks of their kind need, the check that finds it out, and what it says."""

SLOWLY_FOUND = (models.CannotBeLoaded, encoders.CannotBeReadBack, datasets.Hashed, trainers.Lucky)
"""Plugins that take seconds to check, and with which a check fails in the way in which it fails with another."""

SHARED = 7
"""How many checks all kinds have, before their own."""

EVERY_CHECK = {check.name: check for kind in registry.KINDS for check in testing.checks_for(kind)}


def outcomes(plugin, leave_out=frozenset()):
    return [check.outcome(plugin) for check in testing.checks_for(plugin) if check.name not in leave_out]


def failures(plugin, leave_out=frozenset()):
    """Names of the checks that find something, with what they say."""
    return {o.check: o.message for o in outcomes(plugin, leave_out) if o.result == "failed"}


@pytest.mark.parametrize(
    "cls",
    [pytest.param(cls, marks=pytest.mark.slow if cls in SLOWLY_FOUND else (), id=cls.__name__) for cls in FOUND],
)
def test_what_is_wrong_is_found(cls):
    failed = failures(cls.example(), set(EVERY_CHECK) - FOUND[cls])
    assert set(failed) == FOUND[cls], failed


@pytest.mark.parametrize("cls", LACKING, ids=lambda cls: cls.__name__)
def test_what_all_checks_need_is_missed_once(cls):
    finds, message = LACKING[cls]
    plugin = cls.example()
    first, *others = checks.outcomes(plugin, testing.checks_for(plugin)[SHARED:])
    assert (first.check, first.result) == (finds, "failed")
    assert re.match(message, first.message), first.message
    assert {(other.result, other.message) for other in others} == {("skipped", f"needs {checks.NEEDED[finds]}")}


def test_an_exception_in_a_check_is_told_with_the_line_of_the_plugin():
    (message,) = failures(datasets.Connection(), set(EVERY_CHECK) - {"check_two_threads_can_read"}).values()
    assert re.fullmatch(r"\w+Error: .* \(wrong_plugins/datasets\.py:\d+\)", message), message


def test_a_trainer_that_is_deaf_to_steps_is_ended():
    (message,) = failures(trainers.DeafToSteps(), set(EVERY_CHECK) - {"check_steps_end_the_training"}).values()
    assert message == "a job with steps = 2 goes on after 3 calls of images_done"


@pytest.mark.parametrize(
    ("cls", "check", "message"),
    [
        (datasets.Waits, "check_samples_are_there", r"it has not ended after 2 s \(wrong_plugins/datasets\.py:\d+\)"),
        (losses.WaitsForWeights, "check_one_value_an_image", "it has not ended after 2 s"),
        (trainers.TrainsForever, "check_network_is_fitted", "it has not ended after 2 s"),
        (datasets.Ends, "check_samples_are_there", "the process that ran it has ended, with code 7"),
    ],
)
def test_a_check_that_does_not_end_is_ended_and_the_last(cls, check, message):
    chosen = [EVERY_CHECK[check], EVERY_CHECK["check_unknown_options_are_refused"]]
    failed, skipped = bounded_outcomes(cls(), chosen, limit=2)
    assert (failed.check, failed.result) == (check, "failed")
    assert re.match(message, failed.message), failed.message
    assert (skipped.result, skipped.message) == ("skipped", f"`{check}` has not ended")


def test_a_plugin_that_is_not_importable_is_not_checked_elsewhere():
    class Local(losses.RightLoss):
        """Known to this function alone."""

    with pytest.raises(PluginError, match=r"^Local cannot be sent to another process: "):
        testing.run_checks(Local(), limit=60)


@pytest.mark.slow
def test_with_a_limit_the_outcomes_are_the_same():
    told = []
    assert testing.run_checks(losses.NeverFinite(), told.append, limit=600) == told
    assert told == testing.run_checks(losses.NeverFinite())


@pytest.mark.slow
@pytest.mark.parametrize("cls", FOUND, ids=lambda cls: cls.__name__)
def test_nothing_else_is_found(cls):
    assert failures(cls.example(), FOUND[cls]) == {}


@pytest.fixture
def untouched():
    """A state of Keras, Python and NumPy that the test leaves as it was."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    try:
        yield
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    finally:
        keras.config.set_dtype_policy("float32")


RIGHT = [
    models.RightNet,
    pytest.param(encoders.RightEncoder, marks=pytest.mark.slow),
    datasets.RightData,
    metrics.WithMetric,
    augmentations.RightAugmentation,
    trackers.RightTracker,
    # The trainer `keras` passes the same checks in `test_conformance.py`.
    pytest.param(trainers.RightTrainer, marks=pytest.mark.slow),
    losses.RightLoss,
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("cls", RIGHT)
def test_what_is_right_passes_and_global_state_is_left_as_it_was(cls):
    assert failures(cls.example()) == {}


def test_every_check_has_a_plugin_on_which_it_fails():
    needed = {check for check, _ in LACKING.values()}
    assert set().union(*FOUND.values()) | needed | {"check_import_is_light"} == set(EVERY_CHECK)
    assert needed == set(checks.NEEDED)


def test_a_heavy_import_is_found(tmp_path, monkeypatch):
    module = tmp_path / "segzoo_test_heavy.py"
    module.write_text(
        "import numpy\nfrom wrong_plugins.losses import RightLoss\nclass Heavy(RightLoss):\n    'Heavy.'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    failed = failures(testing.find("segzoo_test_heavy:Heavy"))
    assert set(failed) == {"check_import_is_light"}
    assert "importing segzoo_test_heavy also imports" in failed["check_import_is_light"]
    assert "numpy" in failed["check_import_is_light"]
    del sys.modules["segzoo_test_heavy"]


class Plain(Model):
    """One convolution, for one size, that nothing can be said of."""

    fixed_size = True
    global_context = True

    def build(self, image_shape, num_classes):
        inputs = keras.Input(image_shape)
        return keras.Model(inputs, keras.layers.Conv2D(num_classes, 3, padding="same", dtype="float32")(inputs))


class Subclassed(Model):
    """A network that is no graph."""

    def build(self, image_shape, num_classes):
        class Network(keras.Model):
            def __init__(self):
                super().__init__()
                self.head = keras.layers.Conv2D(num_classes, 3, padding="same", dtype="float32")

            def call(self, images):
                return self.head(images)

        return Network()


def test_a_check_that_does_not_apply_is_skipped_with_the_reason():
    done = outcomes(Plain(), SLOW)
    assert {outcome.result for outcome in done} == {"passed", "skipped"}
    assert {outcome.check: outcome.message for outcome in done if outcome.result == "skipped"} == {
        "check_size_can_stay_open": "it declares fixed_size",
        "check_stride_is_needed": "its stride is 1",
        "check_parameter_count": "it declares no parameters",
        "check_prediction_moves_with_the_image": "it declares global_context",
        "check_encoder_is_a_layer": "it has no encoder",
        "check_every_skip_matters": "no layer joins two branches",
    }


def test_a_subclassed_network_can_be_checked():
    results = {outcome.check: outcome.result for outcome in outcomes(Subclassed(), SLOW - {"check_overfits_one_batch"})}
    assert set(results.values()) == {"passed", "skipped"}
    assert results["check_every_skip_matters"] == "skipped"
    assert results["check_gradient_reaches_every_weight"] == results["check_overfits_one_batch"] == "passed"


def test_weights_that_cannot_be_had_here_are_a_reason_to_skip():
    class Offline(encoders.RightEncoder):
        """Downloads its weights."""

        def prepare(self, cache):
            raise DataError("cannot download them")

    class Random(encoders.RightEncoder):
        """Has no weights."""

        def prepare(self, cache):
            return None

    class Raises(encoders.RightEncoder):
        """Has a fault."""

        def prepare(self, cache):
            raise KeyError("weights")

    check = EVERY_CHECK["check_starting_weights_are_known"]
    done = [check.outcome(encoder) for encoder in (Offline(), Random(), Raises())]
    assert [outcome.result for outcome in done] == ["skipped", "skipped", "failed"]
    assert done[0].message == "its weights are not here: cannot download them"
    assert done[1].message == "it begins with random weights"
    assert "`prepare` raised KeyError: 'weights'" in done[2].message


def test_the_unet_fails_where_its_skips_are_cut():
    class Cut(UNet):
        """The U-Net, in which nothing comes over a skip."""

        def build(self, image_shape, num_classes):
            def call(layer, *args, **kwargs):
                if "skip" in layer.name:
                    (skip, x), *_ = args
                    return layer([keras.ops.zeros_like(skip), x])
                return layer(*args, **kwargs)

            network = super().build(image_shape, num_classes)
            return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)

    failed = failures(Cut.example(), set(EVERY_CHECK) - {"check_every_skip_matters"})
    assert "input 1 of decoder1_skip" in failed["check_every_skip_matters"]
    assert "input 1 of decoder2_skip" in failed["check_every_skip_matters"]


@pytest.mark.parametrize("check", EVERY_CHECK.values(), ids=EVERY_CHECK)
def test_a_check_is_short_and_says_why(check):
    lines = inspect.getsource(check.function).splitlines()
    assert len(lines) <= 25
    assert re.fullmatch(r"[A-Z`].*[^.]\.", check.why)


def test_the_page_lists_every_check_with_its_reason():
    rows = re.findall(r"^\| `(check_\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(check.name, check.why) for check in EVERY_CHECK.values()]


TEST_FILE = """
    from segzoo.testing import parametrize_with_checks
    from wrong_plugins.losses import PrefersTheTop

    @parametrize_with_checks([PrefersTheTop], {expected})
    def test_loss(plugin, check):
        check(plugin)
"""


def test_each_check_is_a_case_of_pytest(pytester):
    pytester.makepyfile(TEST_FILE.format(expected={}))
    result = pytester.runpytest("-v")
    result.assert_outcomes(passed=len(testing.checks_for(losses.PrefersTheTop)) - 1, failed=1)
    result.stdout.fnmatch_lines(["*test_loss[[]PrefersTheTop-check_order_of_pixels_does_not_matter] FAILED*"])


def test_what_needs_what_is_missing_is_skipped_by_pytest_too(pytester):
    pytester.makepyfile(TEST_FILE.format(expected={}).replace("PrefersTheTop", "NeverFinite"))
    result = pytester.runpytest("-rs")
    kinds = len(testing.checks_for(losses.NeverFinite)) - SHARED
    result.assert_outcomes(passed=SHARED, failed=1, skipped=kinds - 1)
    result.stdout.fnmatch_lines(["*needs a value for each image"])


def test_an_expected_failure_is_one_and_must_stay_one(pytester):
    expected = {"check_order_of_pixels_does_not_matter": "on purpose", "check_one_value_an_image": "only feared"}
    pytester.makepyfile(TEST_FILE.format(expected=expected))
    result = pytester.runpytest("-rx")
    result.assert_outcomes(passed=len(testing.checks_for(losses.PrefersTheTop)) - 2, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*XPASS(strict)*only feared*", "*XFAIL*check_order_of_pixels_does_not_matter*on purpose*"]
    )


def test_a_misspelt_expected_failure_is_an_error():
    with pytest.raises(ValueError, match="no such check: check_skips"):
        testing.parametrize_with_checks([UNet], {"check_skips": "a reason"})


def test_cases_are_named_after_what_is_registered():
    ids = [case.id for case in testing.parametrize_with_checks([UNet, models.RightNet]).args[1]]
    assert "unet-check_every_skip_matters" in ids
    assert "RightNet-check_every_skip_matters" in ids


def test_finding_a_plugin_by_name_and_by_class():
    assert testing.find("unet") == testing.find("models/unet") == testing.find("segzoo_unet:UNet") == UNet.example()
    assert testing.find("unet", {"model.depth": 3}) == UNet.example().model_copy(update={"depth": 3})


@pytest.mark.parametrize(
    ("target", "settings", "error", "message"),
    [
        ("uent", {}, ConfigError, "did you mean 'unet'?"),
        ("unet", {"model.dept": 3}, ConfigError, "model 'unet', option 'dept': unknown option; did you mean 'depth'?"),
        ("unet", {"loss.gamma": 3}, ConfigError, "--set loss.gamma: 'unet' is a model, so keys begin with model."),
        ("segzoo_nowhere:Net", {}, PluginError, "cannot import segzoo_nowhere:Net: ModuleNotFoundError"),
        ("segzoo_unet:Net", {}, PluginError, "cannot import segzoo_unet:Net: AttributeError"),
        (
            "segzoo.plugin:Model",
            {},
            PluginError,
            "is no complete subclass of Model, Encoder, Dataset, Augmentation, Trainer, Loss or Tracker",
        ),
        ("pathlib:Path", {}, PluginError, "is no complete subclass"),
    ],
)
def test_what_cannot_be_found_is_said(target, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        testing.find(target, settings)


@pytest.mark.parametrize("line", ["import no_such_module", "raise SystemExit('set LICENCE')"])
def test_a_class_whose_import_fails_is_named_with_the_line(line, install):
    install("segzoo-test-net", {}, f"import os\n{line}\n")
    message = (
        r"cannot import segzoo_test_net:Net \(segzoo_test_net.py:2\): (ModuleNotFoundError: |SystemExit: set LICENCE)"
    )
    with pytest.raises(PluginError, match=message):
        testing.find("segzoo_test_net:Net")


def test_an_outcome_for_each_check_told_at_once():
    told = []
    assert testing.run_checks(datasets.Missing(), told.append) == told
    by_name = {outcome.check: outcome for outcome in told}
    assert list(by_name) == [check.name for check in testing.checks_for(datasets.Missing)]
    assert by_name["check_options_are_frozen"].result == "passed"
    assert by_name["check_samples_are_there"].result == "failed"
    assert by_name["check_length_is_stable"].result == "skipped"


def test_the_kinds_share_some_checks():
    shared = testing.checks_for(Plugin)
    assert len(shared) == SHARED
    for kind in registry.KINDS:
        assert testing.checks_for(kind)[:SHARED] == shared
