"""Writer and check of USDZ packages, through OpenUSD's own library (extra ``ar``)."""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus.errors import ConfigurationError, InputError
from salus.surgery.ar import Part, Scene

MAX_BYTES: Final = 1 << 29
_MODULES: Final = ("Gf", "Kind", "Sdf", "Tf", "Usd", "UsdGeom", "UsdShade", "UsdUtils", "UsdValidation", "Vt")


def _pxr() -> Any:
    """OpenUSD's package with the modules that are needed here."""
    try:
        for name in _MODULES:
            importlib.import_module(f"pxr.{name}")
    except ImportError as error:
        raise ConfigurationError("USDZ needs OpenUSD", remedy='pip install "salus[ar]"') from error
    return importlib.import_module("pxr")


def usdz(scene: Scene) -> bytes:
    """``scene`` as one USDZ package. Raises :class:`ConfigurationError` without the extra ``ar``."""
    pxr = _pxr()
    with tempfile.TemporaryDirectory(prefix="salus-usd-") as folder:
        layer, package = Path(folder) / "anatomy.usdc", Path(folder) / "anatomy.usdz"
        stage = pxr.Usd.Stage.CreateNew(str(layer))
        pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
        pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        root = pxr.UsdGeom.Xform.Define(stage, "/anatomy")
        stage.SetDefaultPrim(root.GetPrim())
        pxr.Usd.ModelAPI(root.GetPrim()).SetKind(pxr.Kind.Tokens.component)
        stage.SetMetadata("comment", scene.facts["notice"])
        stage.GetRootLayer().customLayerData = {"salus": json.dumps(dict(scene.facts), sort_keys=True)}
        for part in scene.parts:
            _define(pxr, stage, part)
        stage.GetRootLayer().Save()
        del stage
        if not pxr.UsdUtils.CreateNewARKitUsdzPackage(pxr.Sdf.AssetPath(str(layer)), str(package)):
            raise ConfigurationError("OpenUSD could not write the package", remedy="see its message above")
        return package.read_bytes()


def _define(pxr: Any, stage: Any, part: Part) -> None:
    """A mesh with its material."""
    mesh = pxr.UsdGeom.Mesh.Define(stage, f"/anatomy/{part.key}")
    mesh.CreatePointsAttr(pxr.Vt.Vec3fArray.FromNumpy(part.points))
    mesh.CreateFaceVertexCountsAttr(pxr.Vt.IntArray.FromNumpy(np.full(len(part.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(pxr.Vt.IntArray.FromNumpy(part.faces.astype(np.int32).ravel()))
    mesh.CreateNormalsAttr(pxr.Vt.Vec3fArray.FromNumpy(part.normals))
    mesh.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)
    mesh.CreateOrientationAttr(pxr.UsdGeom.Tokens.rightHanded)
    bounds = np.stack([part.points.min(axis=0), part.points.max(axis=0)])
    mesh.CreateExtentAttr(pxr.Vt.Vec3fArray.FromNumpy(bounds))
    prim = mesh.GetPrim()
    prim.SetDisplayName(part.look.name)
    prim.SetCustomDataByKey("salus", json.dumps(dict(part.facts), sort_keys=True))
    material = pxr.UsdShade.Material.Define(stage, f"/anatomy/materials/{part.key}")
    shader = pxr.UsdShade.Shader.Define(stage, f"/anatomy/materials/{part.key}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    types = pxr.Sdf.ValueTypeNames
    shader.CreateInput("diffuseColor", types.Color3f).Set(pxr.Gf.Vec3f(*part.look.linear))
    for name, value in (("roughness", 0.65), ("metallic", 0.0), ("opacity", part.look.opacity)):
        shader.CreateInput(name, types.Float).Set(value)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    pxr.UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)


def faults(data: bytes) -> list[str]:
    """What OpenUSD's validators, all of them, find wrong with a USDZ package; empty for a sound one.

    Raises :class:`InputError` for what cannot be opened as USDZ, :class:`ConfigurationError` without the extra ``ar``.
    """
    pxr = _pxr()
    if data[:4] != b"PK\x03\x04" or len(data) > MAX_BYTES:
        raise InputError("not a USDZ package", "offset 0", "write the file again")
    with tempfile.TemporaryDirectory(prefix="salus-usd-") as folder:
        package = Path(folder) / "checked.usdz"
        package.write_bytes(data)
        try:
            stage = pxr.Usd.Stage.Open(str(package))
        except pxr.Tf.ErrorException as error:
            raise InputError("not a USDZ package that opens", "offset 0", "write the file again") from error
        validators = pxr.UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
        found = pxr.UsdValidation.ValidationContext(validators).Validate(stage)
        return [f"{error.GetIdentifier()}: {error.GetMessage()}" for error in found]
