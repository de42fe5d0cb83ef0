<#
.SYNOPSIS
Takes EXAI away again: gives each client its own configuration back, stops the daemon, removes the programs.
.DESCRIPTION
What you wrote (mcp.json, exai.json, models.json) and the state stay, unless -Purge.
.PARAMETER KeepClients
Leave the clients' configuration as it is, and with it what starts exai-shim.
.PARAMETER Purge
Also delete mcp.json, exai.json, models.json, your own tools, and the state directory.
#>
[CmdletBinding()]
param(
    [switch] $KeepClients,
    [switch] $Purge
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# The program writes UTF-8, which Windows PowerShell does not expect.
try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { Write-Verbose 'There is no console.' }

$dir = $PSScriptRoot
$daemon = Join-Path $dir 'exai-daemon.exe'
if (-not (Test-Path -LiteralPath $daemon)) { throw "There is no ${daemon}: run the uninstall.ps1 of the directory EXAI is installed in." }

# Runs the daemon's program with some words, returns what it says, and leaves its exit code in $LASTEXITCODE. What it writes
# to stderr is no error of this script.
function Invoke-Daemon([string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    return (& $daemon @Words 2>&1 | ForEach-Object { "$_" } | Out-String).TrimEnd()
}

# Takes back every adoption, the last one first, until there is none left. Clients whose files still start the shim would
# lose their tools, so nothing is removed before they have theirs back.
function Restore-Client {
    while ($true) {
        $said = Invoke-Daemon @('adopt', '--undo', '--yes')
        if ($LASTEXITCODE -eq 0) {
            Write-Host $said
            continue
        }
        $left = (Invoke-Daemon @('adopt', '--undo', '--yes', '--json')) -replace '\s', ''
        if ($left.Contains('"undone":null')) { return }
        Write-Host $said
        throw "The clients' configuration could not be given back, so nothing was removed. Mend what is said above and run this again, or keep it as it is with -KeepClients."
    }
}

function Remove-FromPath([string] $Entry) {
    $key = [Microsoft.Win32.Registry]::CurrentUser.CreateSubKey('Environment')
    try {
        if (@($key.GetValueNames()) -notcontains 'Path') { return }
        $before = [string] $key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
        $kept = @($before.Split(';') | Where-Object { [Environment]::ExpandEnvironmentVariables($_).TrimEnd('\') -ne $Entry.TrimEnd('\') })
        $after = $kept -join ';'
        if ($after -eq $before) { return }
        if ($after -eq '') { $key.DeleteValue('Path') } else { $key.SetValue('Path', $after, $key.GetValueKind('Path')) }
        $name = "EXAI_$([Guid]::NewGuid().ToString('N'))"
        [Environment]::SetEnvironmentVariable($name, '1', 'User')
        [Environment]::SetEnvironmentVariable($name, $null, 'User')
    } finally {
        $key.Close()
    }
}

# A program that runs in a window still open cannot be deleted, but moved away: the system's temporary files are deleted
# by Windows.
function Remove-Program([string] $Path) {
    if (-not (Test-Path -LiteralPath $Path)) { return }
    try {
        Remove-Item -LiteralPath $Path -Force
    } catch {
        $away = Join-Path ([IO.Path]::GetTempPath()) "exai-$([Guid]::NewGuid().ToString('N')).old"
        try {
            [IO.File]::Move($Path, $away)
        } catch {
            Write-Host "$Path is in use: close the windows that use it, and delete it."
        }
    }
}

if (-not $KeepClients) { Restore-Client }
Invoke-Daemon @('service', 'uninstall') | Out-Null
Invoke-Daemon @('stop') | Out-Null
if ($LASTEXITCODE -ne 0 -and $LASTEXITCODE -ne 3) { Write-Host 'The daemon could not be stopped: end exai-daemon.exe in the Task Manager.' }
Remove-FromPath $dir
[Microsoft.Win32.Registry]::CurrentUser.DeleteSubKeyTree('Software\Microsoft\Windows\CurrentVersion\Uninstall\EXAI', $false)
if ($Purge) {
    if ($env:EXAI_HOME) {
        Write-Host "EXAI_HOME is set: delete $env:EXAI_HOME yourself if you no longer need it."
    } else {
        foreach ($own in @((Join-Path $env:LOCALAPPDATA 'exai'), (Join-Path $env:APPDATA 'exai'))) {
            if (Test-Path -LiteralPath $own) { Remove-Item -LiteralPath $own -Recurse -Force; Write-Host "deleted $own" }
        }
    }
}
$programs = @('exai-daemon.exe', 'exai-shim.exe')
foreach ($name in $programs) {
    Remove-Program (Join-Path $dir $name)
    Get-ChildItem -LiteralPath $dir -Filter "$name.old-*" | ForEach-Object { Remove-Program $_.FullName }
}
foreach ($name in @('docs', 'LICENSE', 'README.md', 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.txt', 'sbom.cdx.json', 'uninstall.cmd', 'uninstall.ps1')) {
    $file = Join-Path $dir $name
    if (Test-Path -LiteralPath $file) { Remove-Item -LiteralPath $file -Recurse -Force }
}
if (@(Get-ChildItem -LiteralPath $dir -Force).Count -eq 0) {
    Set-Location ([IO.Path]::GetTempPath())
    Remove-Item -LiteralPath $dir -Force -ErrorAction SilentlyContinue
} else {
    Write-Host "$dir has other files and stays."
}
Write-Host 'EXAI is removed.'
if (-not $Purge) { Write-Host 'What you wrote yourself and the state stay; uninstall.ps1 -Purge would have deleted them too.' }
